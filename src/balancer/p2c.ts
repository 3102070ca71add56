/**
 * Power of two choices, least loaded by the score (load + 1) / weight.
 *
 * The other draw wins when, with this connection added, it would still be no fuller for its weight than the first is
 * without it. In between, one connection more or less decides nothing, and the first draw stands, which is drawn by
 * weight. So shares follow the weights for any number of endpoints: under many held connections, where the scores even
 * out, and under few or short ones, where "lower score wins" would leave light endpoints idle for good (of two idle
 * endpoints the heavier always scores lower). With equal weights this is plain P2C.
 * Source: Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 1996; HAProxy `random(2)`.
 */
import { TwoChoices } from './two-choices.ts';

export class P2cPicker extends TwoChoices {
  protected override compare(a: number, b: number): number {
    const { table, slots, weights } = this.candidates;
    const loadOfA = table.load(slots[a]);
    const loadOfB = table.load(slots[b]);
    if ((loadOfB + 1) * weights[a] <= loadOfA * weights[b]) return 1;
    if ((loadOfA + 1) * weights[b] <= loadOfB * weights[a]) return -1;
    return 0;
  }
}
