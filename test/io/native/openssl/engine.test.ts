/** The OpenSSL engine keeps the contract of all TLS engines. */
import { BufferPool } from '../../../../src/io/native/base/buffer-pool.ts';
import { OpensslEngine } from '../../../../src/io/native/openssl/engine.ts';
import { engineContract } from '../../tls/engine-contract.ts';
import { buffersOf } from './rig.ts';

engineContract(
  'openssl',
  sink => {
    const pool = new BufferPool({ bytes: 16 * 1024, step: 16, limit: 512, debug: true });
    return { engine: new OpensslEngine(sink, pool), buffers: buffersOf(pool), outstanding: () => pool.inUse };
  },
  { judgesInHandshake: true, tellsGroup: true, renewsTickets: true },
);
