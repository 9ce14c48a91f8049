// What a task needs before it can run: consent, examples, a model of that name, and the parameters that it names.

import { err, type Failure, failure, ok, type Result } from '@skerry/shared';
import type { BlobRef } from '@skerry/sync-protocol/blobs';
import {
  type DeclineReason,
  type LearnPlan,
  type LearnTask,
  layoutSize,
  type QueryPlan,
  readVector,
} from '@skerry/sync-protocol/learn';
import type { ClientMessage } from './client-app.ts';
import { type Drawn, drawExamples, seedOf } from './draw-examples.ts';
import type { Consent, ExampleStore } from './example-store.ts';
import type { Examples } from './examples.ts';
import { fitting, gather } from './gather-examples.ts';
import type { ClientRunner, LearnBlobs, LearningModel } from './learn-ports.ts';
import { prepareQuery } from './prepare-query.ts';
import type { RoundStore } from './round-store.ts';
import type { ClientWork } from './run-client.ts';
import type { DeviceGraph } from './trainer.ts';

export interface TaskWorld {
  readonly device: string;
  readonly examples: Pick<ExampleStore, 'list' | 'read'>;
  readonly rounds: Pick<RoundStore, 'state' | 'lastOpened'>;
  readonly blobs: Pick<LearnBlobs, 'fetch' | 'drop'>;
  readonly runner: Pick<ClientRunner, 'networks'>;
  readonly model: (name: string) => LearningModel | undefined;
  readonly consent: (model: string) => Consent;
}

/** What a task brings of its own. */
export type TaskPlan = LearnPlan | QueryPlan;

export interface PreparedTask {
  readonly work: ClientWork;
  /** How many it is trained on, evaluated with, or asked about. */
  readonly examples: number;
}

export type Unprepared =
  | { readonly kind: 'declined'; readonly reason: DeclineReason }
  | { readonly kind: 'failed'; readonly failure: Failure };

export interface Preparing {
  readonly ready: Promise<Result<PreparedTask, Unprepared>>;
  /** Its time is up. */
  drop(): void;
}

const declined = (reason: DeclineReason): Result<never, Unprepared> =>
  err({ kind: 'declined', reason });
const failed = (failure: Failure): Result<never, Unprepared> => err({ kind: 'failed', failure });

export function prepareTask(
  task: LearnTask,
  plan: TaskPlan | undefined,
  world: TaskWorld,
): Preparing {
  const { work } = task;
  if (plan !== undefined && 'question' in plan)
    return { ready: Promise.resolve(prepareAnswer(task, plan, world)), drop() {} };
  const refs =
    work.type === 'train'
      ? [work.parameters, ...(work.control ? [work.control] : [])]
      : work.type === 'evaluate'
        ? [work.parameters]
        : work.type === 'secure' && !(work.payload instanceof Uint8Array)
          ? [work.payload]
          : [];
  return {
    ready: prepare(task, plan, refs, world),
    drop() {
      for (const ref of refs) world.blobs.drop(ref);
    },
  };
}

function prepareAnswer(
  task: LearnTask,
  plan: QueryPlan,
  world: TaskWorld,
): Result<PreparedTask, Unprepared> {
  const prepared = prepareQuery(task, plan, world);
  if (!prepared.ok) return declined(prepared.error);
  const { rounds } = world;
  const kept = { state: rounds.state(task), lastOpened: rounds.lastOpened(task.run) };
  const examples = prepared.value.examples.train.labels.length;
  return ok({ examples, work: { ...prepared.value, ...kept } });
}

async function prepare(
  task: LearnTask,
  plan: LearnPlan | undefined,
  refs: readonly BlobRef[],
  world: TaskWorld,
): Promise<Result<PreparedTask, Unprepared>> {
  const model = plan && world.model(plan.model);
  const draw = () => (plan ? judge(task, plan, model, world) : ok(nothingDrawn));
  const may = draw();
  if (!may.ok) return declined(may.error);
  const came: Uint8Array[] = [];
  for (const ref of refs) {
    const bytes = await world.blobs.fetch(ref);
    if (!bytes.ok) return failed(bytes.error);
    came.push(bytes.value);
  }
  // While they came a consent may have been withdrawn, and its examples with it.
  const drawn = draw();
  if (!drawn.ok) return declined(drawn.error);
  const message = messageOf(task, plan, came);
  if (!message.ok) return failed(message.error);
  const read = (ids: readonly string[]): Examples => gather(ids, model, world.examples);
  const examples = { train: read(drawn.value.train), heldOut: read(drawn.value.heldOut) };
  const graph = plan && model && graphFor(plan, model);
  const used = task.work.type === 'evaluate' ? examples.heldOut : examples.train;
  return ok({
    examples: used.labels.length,
    work: {
      message: message.value,
      examples,
      state: world.rounds.state(task),
      lastOpened: world.rounds.lastOpened(task.run),
      seed: seedFor(task, plan, world.device),
      ...(graph && { graph }),
    },
  });
}

const nothingDrawn: Drawn = { train: [], heldOut: [] };

function judge(
  task: LearnTask,
  plan: LearnPlan,
  model: LearningModel | undefined,
  { device, runner, consent, examples }: TaskWorld,
): Result<Drawn, DeclineReason> {
  const allowed = consent(plan.model);
  if (!allowed.people && !allowed.cloud) return err('no-consent');
  if (model === undefined) return err('too-few-examples');
  const { network, examplesMin } = plan;
  if (network.kind === 'named' && !runner.networks.includes(network.name))
    return err('network-unknown');
  if (network.kind === 'bundle' && graphFor(plan, model) === undefined)
    return err('network-unknown');
  const seed = seedFor(task, plan, device);
  const drawn = drawExamples(fitting(examples, model), model.labels, plan, seed);
  const { type } = task.work;
  if (type === 'train' && drawn.train.length < examplesMin) return err('too-few-examples');
  if (type === 'evaluate' && drawn.heldOut.length === 0) return err('too-few-examples');
  return ok(drawn);
}

/** That of the base, in the plan's variant: who runs another has not its bytes. */
const graphFor = (
  { network, base }: LearnPlan,
  { bundle, graph }: LearningModel,
): DeviceGraph | undefined =>
  network.kind === 'bundle' && bundle === base && graph?.digest === network.digest
    ? graph
    : undefined;

const seedFor = ({ run, round }: LearnTask, plan: LearnPlan | undefined, device: string): number =>
  seedOf(plan?.seed ?? 0, run, round, device);

function messageOf(
  { run, round, attempt, work }: LearnTask,
  plan: LearnPlan | undefined,
  [first, second]: readonly Uint8Array[],
): Result<ClientMessage> {
  const at = { run, round, attempt };
  if (work.type === 'secure') {
    const payload = work.payload instanceof Uint8Array ? work.payload : first;
    return payload
      ? ok({ ...at, type: 'secure', stage: work.stage, payload })
      : err(failure('internal', 'a payload that did not come'));
  }
  if (work.type === 'end' || work.type === 'query' || plan === undefined)
    return err(failure('internal', 'nothing to be done'));
  const size = layoutSize(plan.layout);
  const parameters = readVector(first ?? new Uint8Array(), size);
  if (!parameters.ok) return parameters;
  if (work.type === 'evaluate')
    return ok({ ...at, type: 'evaluate', plan, parameters: parameters.value });
  const control = second === undefined ? ok(undefined) : readVector(second, size);
  if (!control.ok) return control;
  return ok({
    ...at,
    type: 'train',
    plan,
    parameters: parameters.value,
    ...(control.value && { control: control.value }),
    ...(work.secure && { secure: work.secure }),
  });
}
