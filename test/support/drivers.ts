/** Every driver, for tests that run in a thread with an event loop. */

import type { Driver, DriverEvents } from '../../src/io/driver.ts';
import type { DriverKind } from '../../src/io/drivers/choose-driver.ts';
import { PortableDriver } from '../../src/io/portable/driver.ts';

export interface TestedDriver {
  readonly kind: DriverKind;
  readonly createDriver: (events: DriverEvents) => Driver;
}

/** The native drivers run in debug mode: released buffers are poisoned, and their owners are checked. */
export const drivers: readonly TestedDriver[] = [
  { kind: 'portable', createDriver: events => new PortableDriver(events) },
  ...(process.platform === 'linux' ? await nativeDrivers() : []),
];

async function nativeDrivers(): Promise<TestedDriver[]> {
  const { EpollDriver } = await import('../../src/io/native/epoll/driver.ts');
  const { UringDriver } = await import('../../src/io/native/uring/driver.ts');
  const { pumped } = await import('./pumped.ts');
  return [
    { kind: 'epoll', createDriver: pumped(EpollDriver) },
    { kind: 'uring', createDriver: pumped(UringDriver) },
  ];
}
