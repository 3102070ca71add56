/** Nothing is left of a storm, and the proxy serves, on the uring driver. */
import { stormTests } from '../support/storm.ts';

stormTests('uring');
