// Whom a text is asked of next, from what the router has decided and who is left. Pure.

import type { Decision } from '../route/decide.ts';

/** The weak model at hand, the coordinator, and answers that were written down before. */
export type TextSource = 'local' | 'cloud' | 'answers';

/** Undefined: nobody may be asked. */
export function nextSource(
  decision: Decision,
  left: ReadonlySet<TextSource>,
): TextSource | undefined {
  const { kind } = decision;
  if (kind === 'escalate') return 'cloud';
  if (left.has('local')) return 'local';
  // With no answer to fall back on there is nothing to lose by asking late, or over a link that seems to be down.
  if (kind === 'degraded' && decision.escalate && left.has('cloud')) return 'cloud';
  return left.has('answers') ? 'answers' : undefined;
}
