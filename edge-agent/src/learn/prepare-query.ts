// What a query needs before it can be answered: consent, and examples that are in one of its cells. It needs no network and no
// vector: a device may run another version of the model than the one that is asked about.

import { createRandom, err, ok, type Result, shuffle } from '@skerry/shared';
import type { DeclineReason, LearnTask, QueryPlan, Question } from '@skerry/sync-protocol/learn';
import { seedOf } from './draw-examples.ts';
import type { Consent, ExampleEntry, ExampleStore } from './example-store.ts';
import { fitting, gather } from './gather-examples.ts';
import type { LearningModel } from './learn-ports.ts';
import type { ClientWork } from './run-client.ts';

export interface QueryWorld {
  readonly device: string;
  readonly examples: Pick<ExampleStore, 'list' | 'read'>;
  readonly model: (name: string) => LearningModel | undefined;
  readonly consent: (model: string) => Consent;
}

/** Of more examples than the plan's `examplesMax` so many are drawn, alike however often it is asked. */
export function prepareQuery(
  { run, round, attempt }: Pick<LearnTask, 'run' | 'round' | 'attempt'>,
  plan: QueryPlan,
  world: QueryWorld,
): Result<Pick<ClientWork, 'message' | 'examples' | 'seed'>, DeclineReason> {
  const { people, cloud } = world.consent(plan.model);
  if (!people && !cloud) return err('no-consent');
  const model = world.model(plan.model);
  if (model === undefined) return err('too-few-examples');
  const seed = seedOf(plan.seed, run, round, world.device);
  const ids = draw(asked(plan.question, model, world.examples), plan.examplesMax, seed);
  if (ids.length === 0) return err('too-few-examples');
  const { question } = plan;
  const train =
    question.kind === 'labels'
      ? // Of labels nothing but labels is read into the answer’s thread.
        { ...nothing(model), labels: placesOf(ids, question.labels) }
      : gather(
          ids.map(({ id }) => id),
          model,
          world.examples,
        );
  return ok({
    message: { type: 'query', run, round, attempt, plan },
    examples: { train, heldOut: nothing(model) },
    seed,
  });
}

/** Who counts: of labels those that are asked for, of inputs those that the model takes. */
const asked = (
  question: Question,
  model: LearningModel,
  examples: QueryWorld['examples'],
): readonly ExampleEntry[] =>
  question.kind === 'inputs'
    ? fitting(examples, model)
    : examples.list(model.name).filter(({ label }) => question.labels.includes(label));

function draw(
  entries: readonly ExampleEntry[],
  most: number,
  seed: number,
): readonly ExampleEntry[] {
  if (entries.length <= most) return entries;
  const order = Uint32Array.from({ length: entries.length }, (_, i) => i);
  const drawn = shuffle(order, createRandom(seed)).subarray(0, most);
  return [...drawn].map((place) => entries[place] as ExampleEntry);
}

const placesOf = (entries: readonly ExampleEntry[], labels: readonly string[]): Int32Array =>
  Int32Array.from(entries, ({ label }) => labels.indexOf(label));

const nothing = ({ datatype, shape }: LearningModel) => ({
  datatype,
  shape,
  inputs: new Uint8Array(),
  labels: new Int32Array(),
});
