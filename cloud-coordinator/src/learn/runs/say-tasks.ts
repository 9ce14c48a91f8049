// Tells devices what the log says that they are asked. Each task has a name, and a device is told each once, whoever was
// killed in between and however many coordinators try.

import { type Clock, collect, ok, type Result } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import { type LearnTask, learnPlanBytes, queryPlanBytes } from '@skerry/sync-protocol/learn';
import { type MaskRoundPorts, maskedOf, maskedQuestions, securePart } from './mask-round.ts';
import type { TaskStore } from './ports.ts';
import { isOfRound, type Member, type RunState } from './run-state.ts';

export interface SayingPorts {
  readonly tasks: TaskStore;
  readonly clock: Clock;
}

/** The name under which a device is told what it is asked. */
const askName = ({ work, round, attempt }: Member): string => `${work} ${round}.${attempt}`;

/** Whom this process has told, by run: what is said anew after a start is the store's to know. */
export type Told = Map<string, string>;

/** Said at once: the store makes them durable together. */
const saidAtOnceMax = 256;

/** Who is asked and whose moment has come; and who is not asked any more. */
export async function sayTasks(
  ports: SayingPorts,
  state: RunState,
  told: Told,
): Promise<Result<void>> {
  const nowMs = ports.clock.nowMs();
  const due = [...state.members].filter(
    ([device, member]) =>
      member.progress.kind === 'asked' &&
      member.tellAtMs <= nowMs &&
      told.get(device) !== askName(member),
  );
  const said = await inParts(due, async ([device, member]) => {
    const name = askName(member);
    const done = await sayTask(ports, device, name, taskOf(state, member, nowMs));
    if (done.ok) told.set(device, name);
    return done;
  });
  if (!said.ok) return said;
  const over = [...told].filter(([device, name]) => {
    const member = state.members.get(device);
    return member?.progress.kind !== 'asked' || askName(member) !== name;
  });
  return inParts(over, async ([device, name]) => {
    const member = state.members.get(device);
    // It has answered, and waits for nothing; or it may still be at work on what nobody waits for.
    const hasAnswered = member !== undefined && askName(member) === name;
    const done = hasAnswered ? ok(undefined) : await sayEnd(ports, state, device);
    if (done.ok) told.delete(device);
    return done;
  });
}

/** The open question of a masked round, to those whose answer is waited for. */
export async function sayQuestions(
  ports: SayingPorts & MaskRoundPorts,
  state: RunState,
): Promise<Result<void>> {
  const record = maskedOf(state);
  if (record === undefined || !isOfRound(state.phase)) return ok(undefined);
  const questions = await maskedQuestions(ports, state);
  if (!questions.ok) return questions;
  const { round, attempt } = state.phase;
  const deadlineLeftMs = Math.max(0, record.untilMs - ports.clock.nowMs());
  const head = { kind: 'learn-task', run: state.plan.id, round, attempt, deadlineLeftMs } as const;
  return inParts([...questions.value], ([device, work]) =>
    sayTask(ports, device, `${record.stage} ${round}.${attempt}`, { ...head, work }),
  );
}

async function inParts<Item>(
  items: readonly Item[],
  act: (item: Item) => Promise<Result<void>>,
): Promise<Result<void>> {
  for (let from = 0; from < items.length; from += saidAtOnceMax) {
    const done = collect(await Promise.all(items.slice(from, from + saidAtOnceMax).map(act)));
    if (!done.ok) return done;
  }
  return ok(undefined);
}

/** The current round, for who replied to another; a device that is asked in it keeps its task. [RND6] */
export async function sayEnd(
  ports: SayingPorts,
  state: RunState,
  device: string,
): Promise<Result<void>> {
  const member = state.members.get(device);
  // Who has shown keys is asked the next question, or waits for it.
  if (member?.progress.kind === 'asked' || member?.progress.kind === 'keyed') return ok(undefined);
  return endTask(ports, device, state.plan.id, whereItIs(state));
}

interface Whereabouts {
  readonly round: number;
  readonly attempt: number;
  readonly reason: string;
  /** The device keeps what it keeps of the run. */
  readonly goesOn?: true;
}

/** Of a device: it may name as many runs as it likes, and what is kept of them is no more than this. */
const unknownRunsMax = 8;

/** That there is no such run. In its place among those of the device the newest alone waits. */
export function endUnknown(
  ports: SayingPorts,
  device: string,
  run: string,
  { round, attempt }: Pick<LearnTask, 'round' | 'attempt'>,
): Promise<Result<void>> {
  const place = Number.parseInt(sha256(new TextEncoder().encode(run)).slice(-4), 16);
  const told = endOf(run, { round, attempt, reason: `no run ${run}` });
  const name = `end ${run} ${round}.${attempt}`;
  // No run is called so.
  return sayTask(ports, device, name, told, `?${place % unknownRunsMax}`);
}

/** Of a run that is over, or that has gone on. */
function endTask(
  ports: SayingPorts,
  device: string,
  run: string,
  where: Whereabouts,
): Promise<Result<void>> {
  const name = `${where.goesOn ? 'late' : 'end'} ${where.round}.${where.attempt}`;
  return sayTask(ports, device, name, endOf(run, where));
}

const endOf = (run: string, { round, attempt, reason, goesOn }: Whereabouts): LearnTask => ({
  kind: 'learn-task',
  run,
  round,
  attempt,
  deadlineLeftMs: 0,
  work: { type: 'end', reason: reason.slice(0, 256), ...(goesOn && { goesOn }) },
});

function whereItIs({ phase, round, plan }: RunState): Whereabouts {
  if (isOfRound(phase))
    return {
      round: phase.round,
      attempt: phase.attempt,
      reason: `${plan.id} is in round ${phase.round}, attempt ${phase.attempt}`,
      goesOn: true,
    };
  const why = 'reason' in phase ? `: ${phase.reason}` : '';
  return { round, attempt: 1, reason: `${plan.id} is ${phase.kind}${why}` };
}

function taskOf(state: RunState, member: Member, nowMs: number): LearnTask {
  const { plan, learn, query } = state;
  const { round, attempt, untilMs } = member;
  // Of when it was chosen: by that its update will be old.
  const { parameters, control } = member.given;
  const told = { plan: learnPlanBytes(learn), parameters };
  return {
    kind: 'learn-task',
    run: plan.id,
    round,
    attempt,
    deadlineLeftMs: Math.max(0, untilMs - nowMs),
    work:
      query !== undefined
        ? { type: 'query', plan: queryPlanBytes(query), question: query.question.kind }
        : member.work === 'evaluate'
          ? { type: 'evaluate', ...told }
          : {
              type: 'train',
              ...told,
              ...(control === undefined ? {} : { control }),
              ...securePart(state),
            },
  };
}

async function sayTask(
  { tasks, clock }: SayingPorts,
  device: string,
  name: string,
  task: LearnTask,
  place: string = task.run,
): Promise<Result<void>> {
  const said = await tasks.say(device, place, name, task, clock.nowMs());
  return said.ok ? ok(undefined) : said;
}
