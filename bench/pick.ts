/** Prints what one pick costs: `node bench/pick.ts`. */
import { EndpointTable } from '../src/balancer/endpoint-table.ts';
import { balancerKinds, createPicker } from '../src/balancer/picker.ts';

const picks = 2_000_000;
const tried = new Int32Array(4);

for (const kind of balancerKinds) {
  for (const weights of ['equal', '4:1'] as const) {
    for (const count of [2, 10, 100, 1000]) {
      const table = new EndpointTable(new SharedArrayBuffer(EndpointTable.bytesFor(count)));
      const endpoints = Array.from({ length: count }, (_, slot) => ({
        slot,
        weight: weights === '4:1' && slot % 2 === 0 ? 4 : 1,
      }));
      for (const { slot } of endpoints) for (let n = slot % 5; n > 0; n--) table.addOpen(slot, 1);
      const picker = createPicker(kind, endpoints, table, { random: Math.random });
      // Round robin with weights visits every endpoint.
      const rounds = kind === 'roundRobin' && weights === '4:1' ? Math.ceil((picks * 4) / (count + 2)) : picks;
      for (let i = 0; i < rounds / 10; i++) picker.pick(i, tried, 0);
      const start = process.hrtime.bigint();
      for (let i = 0; i < rounds; i++) picker.pick(i, tried, 0);
      const nanoseconds = Number(process.hrtime.bigint() - start) / rounds;
      console.log(`${kind.padEnd(10)} ${weights.padEnd(5)} n=${String(count).padEnd(4)} ${nanoseconds.toFixed(1)} ns`);
    }
  }
}
