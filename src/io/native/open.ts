/** Opens a native driver by kind. Importing this module loads node:ffi. */
import type { DriverEvents } from '../driver.ts';
import { EpollDriver } from './epoll-driver.ts';
import type { NativeDriver, NativeDriverOptions } from './native-driver.ts';
import { UringDriver } from './uring-driver.ts';

export type NativeDriverKind = 'epoll' | 'uring';

export function openNativeDriver(
  kind: NativeDriverKind,
  events: DriverEvents,
  options: NativeDriverOptions,
): NativeDriver {
  return kind === 'uring' ? new UringDriver(events, options) : new EpollDriver(events, options);
}
