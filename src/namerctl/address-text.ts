/** Addresses in the words of an operator. */
import type { Observable } from 'rxjs';
import type { Addr, Address } from '../naming/addr.ts';

/** More would push the drawing apart. */
const shown = 5;

export const hostPort = ({ ip, port }: Address): string => (ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`);

export function addressText(addr: Addr): string {
  switch (addr.state) {
    case 'bound': {
      const { addresses } = addr;
      if (addresses.length === 0) return 'no addresses';
      const more = addresses.length > shown ? `, and ${addresses.length - shown} more` : '';
      return addresses.slice(0, shown).map(hostPort).join(', ') + more;
    }
    case 'neg':
      return 'no addresses';
    case 'pending':
      return 'addresses not known yet';
    case 'failed':
      return addr.error.message;
  }
}

/** The state of addresses decoded from a document: known at once, and constant. */
export function snapshotOf(addr: Observable<Addr>): Addr {
  let snapshot: Addr = { state: 'pending' };
  addr
    .subscribe(value => {
      snapshot = value;
    })
    .unsubscribe();
  return snapshot;
}
