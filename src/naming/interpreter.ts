/** What interprets names: dtab and namers, a namerd, or anything that binds paths. */
import type { Observable } from 'rxjs';
import type { Dtab } from '../dtab/dtab.ts';
import type { NameTree } from '../dtab/name-tree.ts';
import type { Path } from '../dtab/path.ts';
import type { Activity } from '../live/activity.ts';
import type { Delegation } from './delegation.ts';
import type { Bound, Running } from './name.ts';

/** Turns a name into live bound trees. The dtab given is appended to the interpreter's own, so it wins. */
export interface Interpreter extends Running {
  bind(dtab: Dtab, path: Path): Observable<Activity<NameTree<Bound>>>;
  /** The explain tree of `path`, once; rejects where the interpreter cannot show one. */
  delegate(dtab: Dtab, path: Path): Promise<Delegation>;
}
