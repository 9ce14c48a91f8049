// When a document goes on without its past, and what is kept for its members first: which of their own edits are in what
// takes the place of their replicas.

import { type Clock, err, failure, type Log, ok, type Result } from '@skerry/shared';
import { documentBounds } from './document-bounds.ts';
import { authorOf, type DigestOf } from './frame.ts';
import type { Members } from './members.ts';
import type { DocumentState, Replica } from './replica.ts';
import { type RetentionLimits, whyBeginEpoch } from './retention.ts';

export interface EpochsPorts {
  readonly replica: Pick<Replica, 'state' | 'reload' | 'lastOfActors' | 'beginEpoch'>;
  readonly digestOf: DigestOf;
  readonly clock: Clock;
  readonly trace: Log;
}

export interface Epochs {
  /** In place of that state. `false`: it is no longer the document's, and nothing has changed. */
  begin(document: string, state: DocumentState): Promise<Result<boolean>>;
  /** [DOC9, DOC16] If the past has become too large or too old. Whether one has begun, and it is not another's. */
  beginIfDue(document: string): Promise<boolean>;
  /**
   * [DOC17] A device shows a later epoch than ours. Either another coordinator has begun it, which is read now; or our
   * disk went back in time, and what we have becomes an epoch that no device has seen. The state then, which is still
   * before that epoch where none may begin yet. Fails with `malformed_message` for an epoch too far off.
   */
  catchUp(document: string, epoch: number): Promise<Result<DocumentState>>;
}

/** How far past ours an epoch may be that a device shows: decades of a busy document. */
export const epochLeadMax = 2 ** 20;
/** From one that begins by what a device shows to the next of its document; twice as long each time, up to a day. */
const catchUpGapMs = 60_000;
const catchUpGapMsMax = 24 * 3_600_000;
/** Documents of which that is remembered. */
const caughtUpMax = 4_096;

export function createEpochs(
  { replica, digestOf, clock, trace }: EpochsPorts,
  limits: RetentionLimits,
  members: Members,
  isRelay: boolean,
): Epochs {
  const openedMs = clock.monotonicMs();
  /** By document, when an epoch began by age, as far as that keeps the next one from beginning. */
  const begunMs = new Map<string, number>();

  /** By document: until when no other begins by what a device shows. The one caught up longest ago comes first. */
  const caughtUp = new Map<string, { readonly gapMs: number; readonly untilMs: number }>();

  const noteCaughtUp = (document: string): void => {
    const last = caughtUp.get(document);
    const gapMs = last ? Math.min(2 * last.gapMs, catchUpGapMsMax) : catchUpGapMs;
    caughtUp.delete(document);
    caughtUp.set(document, { gapMs, untilMs: clock.monotonicMs() + gapMs });
    const [oldest] = caughtUp.keys();
    if (caughtUp.size > caughtUpMax && oldest !== undefined) caughtUp.delete(oldest);
  };

  const noteBegun = (document: string): void => {
    const nowMs = clock.monotonicMs();
    begunMs.delete(document);
    begunMs.set(document, nowMs);
    for (const [other, atMs] of begunMs) {
      if (nowMs - atMs < limits.epochGapMs) break; // Oldest first.
      begunMs.delete(other);
    }
  };

  const whyBegin = (document: string, state: DocumentState): 'size' | 'age' | undefined => {
    if (isRelay) return undefined; // [RLY3]
    const sinceBegunMs = clock.monotonicMs() - (begunMs.get(document) ?? openedMs);
    return whyBeginEpoch(state, limits, clock.nowMs(), sinceBegunMs);
  };

  /**
   * [DOC9] What of each member's is in the new epoch is told by its author's own changes, for some of them may have come by
   * way of a relay, which its own heads say nothing of.
   */
  const begin: Epochs['begin'] = async (document, { epoch, version }) => {
    const last = await replica.lastOfActors(document);
    if (!last.ok) return last;
    for (const member of members.of(document)) {
      const author = authorOf(member.device, digestOf);
      const own = [...last.value].filter(([actor]) => actor.startsWith(author));
      if (own.length === 0) continue;
      const shown = member.basisEpoch === epoch ? member.basis : [];
      const hashes = own.map(([, hash]) => hash).reverse();
      const basis = [...new Set([...hashes, ...shown])].slice(0, documentBounds.headsMax);
      const stored = await members.store({ ...member, basisEpoch: epoch, basis });
      if (!stored.ok) return stored;
    }
    return replica.beginEpoch(document, version, epoch + 1);
  };

  return {
    begin,

    async beginIfDue(document) {
      const held = await replica.state(document);
      if (!held.ok || whyBegin(document, held.value) === undefined) return false;
      // What another coordinator has done meanwhile counts: of two that look at once one alone begins.
      const state = await replica.reload(document);
      const why = state.ok ? whyBegin(document, state.value) : undefined;
      if (!state.ok || why === undefined) return false;
      const begun = await begin(document, state.value);
      if (!begun.ok) trace.error({ document, code: begun.error.code }, begun.error.message);
      if (!begun.ok || !begun.value) return false;
      trace.info({ document, why, epoch: state.value.epoch + 1 }, 'a new epoch of a document');
      if (why === 'age') noteBegun(document);
      return true;
    },

    async catchUp(document, epoch) {
      const state = await replica.reload(document);
      if (!state.ok || epoch <= state.value.epoch) return state;
      if (epoch - state.value.epoch > epochLeadMax)
        return err(
          failure('malformed_message', `epoch ${epoch}, and ours is ${state.value.epoch}`),
        );
      if (clock.monotonicMs() < (caughtUp.get(document)?.untilMs ?? Number.NEGATIVE_INFINITY))
        return ok(state.value);
      const begun = await replica.beginEpoch(document, state.value.version, epoch + 1);
      if (!begun.ok) return begun;
      if (begun.value) noteCaughtUp(document);
      trace.info({ document, why: 'a device was ahead', epoch }, 'a new epoch of a document');
      return replica.reload(document);
    },
  };
}
