/** `npm run break -- PORT`: stops one backend of the quickstart, which starts it again half a minute later. */
import { ask, fail } from './ask.ts';

const [port] = process.argv.slice(2).map(Number);
const known = [7501, 7502, 7503, 7504, Number(process.env['QUICKSTART_PORT'])];
if (port === undefined || !known.includes(port)) {
  console.error('usage: npm run break -- PORT, where PORT is that of a backend of the quickstart, 7501 to 7504');
  process.exit(64);
}
try {
  await ask(port, 'SHUTDOWN NOSAVE\r\n');
  console.log(
    `stopped the backend on ${port}; it starts again in 30 s. Run npm run try, and watch the first terminal.`,
  );
} catch (error) {
  // A server that stops may reset the connection that told it to.
  if ((error as NodeJS.ErrnoException).code === 'ECONNRESET') console.log(`stopped the backend on ${port}`);
  else fail(error, 'the backend is stopped already, or the quickstart does not run');
}
