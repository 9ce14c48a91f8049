// Begins a run, after everything that speaks against it: what could never end is refused here, with every obstacle.

import { type Clock, err, failure, ok, type Result } from '@skerry/shared';
import {
  type LearnPlan,
  layoutSize,
  learnPlanBytes,
  learnPlanBytesMax,
  learnPlanSchema,
} from '@skerry/sync-protocol/learn';
import { createStrategy, type StrategyTraits } from '../strategies/index.ts';
import { type ModelBlobsPorts, storeModel } from './model-blobs.ts';
import type { BaseModel, BaseModels } from './ports.ts';
import type { RunBook } from './run-book.ts';
import type { RunPlan } from './run-plan.ts';
import type { RunState } from './run-state.ts';

export interface CreateRunPorts extends ModelBlobsPorts {
  readonly bases: BaseModels;
  readonly clock: Clock;
}

/** Of a round's updates, which lie in memory while they are put together. */
export const roundBytesMax = 4 * 1_073_741_824;

export async function createRun(
  ports: CreateRunPorts,
  book: RunBook,
  plan: RunPlan,
  by: string,
): Promise<Result<RunState>> {
  const refreshed = await book.refresh();
  if (!refreshed.ok) return refreshed;
  if (book.find(plan.id) !== undefined)
    return err(failure('invalid_argument', `${plan.id} exists already`));
  const base = await ports.bases.open(plan);
  if (!base.ok) return base;
  const strategy = createStrategy(plan.strategy);
  const learn = learnPlanOf(plan, base.value, strategy.traits);
  if (!learn.ok) return learn;
  const obstacles = obstaclesTo(plan, learn.value, strategy.traits);
  if (obstacles.length > 0) return err(failure('invalid_argument', obstacles.join('; ')));
  const model = await storeModel(
    ports,
    plan.id,
    strategy,
    strategy.initialize(base.value.parameters),
  );
  if (!model.ok) return model;
  const { version, bundle } = base.value;
  return book.begin(plan.id, {
    kind: 'created',
    atMs: ports.clock.nowMs(),
    by,
    plan,
    base: { version, bundle },
    learn: learn.value,
    model: model.value,
    asynchronous: strategy.traits.asynchronous,
  });
}

/** What clients are told in every round. */
function learnPlanOf(plan: RunPlan, base: BaseModel, traits: StrategyTraits): Result<LearnPlan> {
  const { model, trains, seed, work } = plan;
  const { bundle, network, layout, parameters } = base;
  const { proximalMu, personal } = configured(plan, parameters);
  const parsed = learnPlanSchema.safeParse({
    version: 1,
    model,
    base: bundle,
    network,
    trains,
    layout,
    ...work,
    seed,
    ...(proximalMu > 0 ? { proximalMu } : {}),
    ...(personal.length > 0 ? { personal } : {}),
    ...(traits.needsControl ? { controlVariates: true } : {}),
  });
  if (!parsed.success)
    return err(failure('invalid_argument', `the plan for clients: ${parsed.error.message}`));
  const { length } = learnPlanBytes(parsed.data);
  return length <= learnPlanBytesMax
    ? ok(parsed.data)
    : err(failure('too_large', `a plan of ${length} bytes; at most ${learnPlanBytesMax}`));
}

function configured({ strategy: options }: RunPlan, parameters: Float32Array) {
  const strategy = createStrategy(options);
  return strategy.configureTrain(strategy.initialize(parameters));
}

function obstaclesTo(plan: RunPlan, learn: LearnPlan, traits: StrategyTraits): readonly string[] {
  const { clients, strategy, work, timeouts, rounds } = plan;
  const obstacles: string[] = [];
  if (clients.min < traits.clientsMin)
    obstacles.push(
      `${strategy.name} needs ${traits.clientsMin} clients; a round may begin with ${clients.min}`,
    );
  const asked = Math.ceil(clients.target * clients.overSelect);
  const bytes = asked * layoutSize(learn.layout) * (traits.needsControl ? 8 : 4);
  if (bytes > roundBytesMax)
    obstacles.push(`${asked} updates at once are ${bytes} bytes; at most ${roundBytesMax}`);
  if (work.examplesMin > work.examplesMax) obstacles.push('examplesMin is more than examplesMax');
  if (work.localNoise !== undefined && work.clipNorm === undefined)
    obstacles.push('localNoise needs a clipNorm');
  if (timeouts.gatherMs > timeouts.selectMs)
    obstacles.push('gatherMs is more than selectMs: no round would begin with fewer than all');
  if (plan.evaluate !== undefined && plan.evaluate.everyRounds > rounds)
    obstacles.push(`evaluate.everyRounds is more than the run’s ${rounds} rounds`);
  return obstacles;
}
