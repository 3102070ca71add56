/** `npm run try [-- PORT [COUNT]]`: asks the proxy of the quickstart who answers, on one connection for each question. */
import { fail, groupAt } from './ask.ts';

const [port = 7474, count = 20] = process.argv.slice(2).map(Number);
const answers = new Map<string, number>();
try {
  for (let i = 0; i < count; i++) {
    const group = (await groupAt(port)) ?? 'no answer';
    answers.set(group, (answers.get(group) ?? 0) + 1);
  }
} catch (error) {
  fail(error, 'start the quickstart in another terminal with npm start');
}
const shares = [...answers].map(([group, times]) => `${times} × ${group}`);
console.log(`${count} connections to 127.0.0.1:${port}: ${shares.join(', ')}`);
