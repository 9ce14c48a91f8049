// Takes what devices reply into the logs of their runs. A reply is closed when that is durable. What cannot be used is
// quarantined with its reason, in the run's log or, where it is about no run, in the store; it never ends a run. [RND9]

import { type Clock, type Log, ok, type Result } from '@skerry/shared';
import type { CoordinatorStore, OpenOp } from '@skerry/sync-protocol';
import type { LearnReply } from '@skerry/sync-protocol/learn';
import { type JudgePorts, judgeReply } from './judge-reply.ts';
import { takeMaskedReplies } from './mask-round.ts';
import type { OpenRun, RunBook } from './run-book.ts';
import { devicesPerEventMax, type RunEventOf } from './run-event.ts';
import { isActive, type RunState } from './run-state.ts';
import { endUnknown, type SayingPorts, sayEnd } from './say-tasks.ts';

export interface RepliesPorts extends SayingPorts, JudgePorts {
  readonly ops: Pick<CoordinatorStore, 'openOps' | 'closeOps' | 'quarantineOp'>;
  readonly clock: Clock;
  readonly log: Log;
}

const repliesPerTurn = 5_000;
const repliesPerRead = devicesPerEventMax;

export async function takeReplies(ports: RepliesPorts, book: RunBook): Promise<Result<void>> {
  for (let read = 0; read < repliesPerTurn; read += repliesPerRead) {
    const open = await ports.ops.openOps('learn-reply', repliesPerRead);
    if (!open.ok) return open;
    if (open.value.length === 0) break;
    for (const [run, ops] of byRun(open.value)) {
      const target = book.find(run);
      const taken = target === undefined ? ok(true) : await takeFor(ports, book, target, ops);
      if (!taken.ok) return taken;
      // They stay open: whoever was first takes them, or the next turn does.
      if (!taken.value) return ok(undefined);
      // That there is no such run nobody says of one whose log cannot be read: devices would forget it. [RND22]
      if (book.aside().has(run)) continue;
      const told = await tellStale(ports, run, target, ops);
      if (!told.ok) return told;
    }
    const closed = await ports.ops.closeOps(open.value.map(({ id }) => id));
    if (!closed.ok) return closed;
  }
  return ok(undefined);
}

type ReplyOp = OpenOp & { readonly body: LearnReply };

function byRun(ops: readonly OpenOp[]): ReadonlyMap<string, readonly ReplyOp[]> {
  const runs = new Map<string, ReplyOp[]>();
  for (const op of ops) {
    if (op.body.kind !== 'learn-reply') continue;
    const own = runs.get(op.body.run) ?? [];
    own.push({ ...op, body: op.body });
    runs.set(op.body.run, own);
  }
  return runs;
}

/** `false`: another coordinator was first. */
async function takeFor(
  ports: RepliesPorts,
  book: RunBook,
  target: OpenRun,
  ops: readonly ReplyOp[],
): Promise<Result<boolean>> {
  const state = target.log.state();
  if (state === undefined) return ok(true);
  const masked = await takeMaskedReplies(ports, state, ops);
  if (!masked.ok) return masked;
  if (masked.value !== undefined) return book.append(target, [masked.value]);
  const replies: RunEventOf<'replied'>['replies'] = [];
  for (const op of ops) {
    if (!isAwaited(state, op)) continue;
    const outcome = await judgeReply(ports, state, op);
    if (!outcome.ok) return outcome;
    if (outcome.value.kind === 'quarantined')
      ports.log.warn({ run: state.plan.id, device: op.device }, outcome.value.reason);
    const { round, attempt } = op.body;
    replies.push({ device: op.device, op: op.id, round, attempt, outcome: outcome.value });
  }
  if (replies.length === 0) return ok(true);
  return book.append(target, [{ kind: 'replied', atMs: ports.clock.nowMs(), replies }]);
}

function isAwaited(state: RunState, { device, body }: ReplyOp): boolean {
  const member = state.members.get(device);
  return (
    isActive(state.phase) &&
    member?.progress.kind === 'asked' &&
    member.round === body.round &&
    member.attempt === body.attempt
  );
}

/** Who replied to a round that is not the one it is asked in is told which is. [RND6] */
async function tellStale(
  ports: RepliesPorts,
  run: string,
  target: OpenRun | undefined,
  ops: readonly ReplyOp[],
): Promise<Result<void>> {
  const state = target?.log.state();
  for (const { device, body } of ops) {
    const { round, attempt } = body;
    const member = state?.members.get(device);
    if (member?.round === round && member.attempt === attempt) continue;
    const told =
      state === undefined
        ? await endUnknown(ports, device, run, body)
        : await sayEnd(ports, state, device);
    if (!told.ok) return told;
  }
  return ok(undefined);
}
