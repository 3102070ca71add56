/** Which driver this process can use: asked for by name, or the fastest one the machine allows. */
import { LinkerdTcpError, reasonOf } from '../../errors.ts';

export const driverKinds = ['uring', 'epoll', 'portable'] as const;
export type DriverKind = (typeof driverKinds)[number];

export interface DriverChoice {
  readonly kind: DriverKind;
  /** For the log: why this driver was chosen. */
  readonly reason: string;
}

/** @throws LinkerdTcpError DRIVER_UNAVAILABLE when the requested driver cannot run here */
export async function chooseDriver(wanted: DriverKind | 'auto'): Promise<DriverChoice> {
  if (wanted === 'portable') return { kind: 'portable', reason: 'configured' };
  const obstacles = await findObstacles();
  if (wanted !== 'auto') {
    const obstacle = obstacles[wanted];
    if (obstacle === undefined) return { kind: wanted, reason: 'configured' };
    const reason = `${obstacle}; set driver: auto to use the fastest driver that can run here`;
    throw new LinkerdTcpError('DRIVER_UNAVAILABLE', { driver: wanted, reason });
  }
  if (obstacles.uring === undefined) return { kind: 'uring', reason: 'io_uring is allowed here' };
  if (obstacles.epoll === undefined) return { kind: 'epoll', reason: `no io_uring: ${obstacles.uring}` };
  return { kind: 'portable', reason: `no native driver: ${obstacles.epoll}` };
}

/** Why each native driver cannot run; undefined for one that can. */
async function findObstacles(): Promise<{ readonly uring?: string; readonly epoll?: string }> {
  if (process.platform !== 'linux') return both(`it needs Linux, this is ${process.platform}`);
  if (process.arch !== 'x64' && process.arch !== 'arm64') return both(`not made for ${process.arch}`);
  try {
    // The module system refuses node:ffi where this Node.js has none, or does not allow it.
    const { uringObstacle } = await import('../native/probe.ts');
    return { uring: uringObstacle() };
  } catch (error) {
    return both(`node:ffi cannot be used: ${reasonOf(error)}`);
  }
}

const both = (reason: string) => ({ uring: reason, epoll: reason });
