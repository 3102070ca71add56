/** Entry of the thread that has the file open. */
import { SqliteFile } from './file.ts';
import { serveFile } from './thread-server.ts';

serveFile(options => new SqliteFile(options));
