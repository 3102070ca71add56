/** Opens a native driver by kind, and the TLS that goes with them. Importing this module loads node:ffi. */
import type { Driver, DriverEvents } from '../driver.ts';
import type { TlsEngine, TlsSink } from '../tls/engine.ts';
import type { NativeDriver, NativeDriverOptions } from './base/native-driver.ts';
import { EpollDriver } from './epoll/driver.ts';
import { OpensslEngine } from './openssl/engine.ts';
import { UringDriver } from './uring/driver.ts';

export type NativeDriverKind = 'epoll' | 'uring';

export function openNativeDriver(
  kind: NativeDriverKind,
  events: DriverEvents,
  options: NativeDriverOptions,
): NativeDriver {
  return kind === 'uring' ? new UringDriver(events, options) : new EpollDriver(events, options);
}

/** @param below a native driver */
export function openNativeTls(sink: TlsSink, below: Driver): TlsEngine {
  return new OpensslEngine(sink, (below as NativeDriver).pool);
}
