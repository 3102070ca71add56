/** No way to end a connection leaks on the uring driver. */
import { leakTest } from './leaks.ts';

leakTest('uring');
