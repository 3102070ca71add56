/** How a program ended: after a shutdown, after an abort, or because a part of it failed. */
export type Outcome = 'stopped' | 'aborted' | 'died';
