/** Nothing is left of a storm, and the proxy serves, on the epoll driver. */
import { stormTests } from '../support/storm.ts';

stormTests('epoll');
