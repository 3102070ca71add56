/** No way to end a connection leaks on the epoll driver. */
import { leakTest } from './leaks.ts';

leakTest('epoll');
