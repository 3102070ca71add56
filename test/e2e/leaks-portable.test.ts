/** No way to end a connection leaks on the portable driver. */
import { leakTest } from './leaks.ts';

leakTest('portable');
