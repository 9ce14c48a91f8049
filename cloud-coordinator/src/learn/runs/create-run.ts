// Begins a run, after everything that speaks against it: what could never end is refused here, with every obstacle.

import { type Clock, err, failure, ok, type Result } from '@skerry/shared';
import { noiseMultiplierMax } from '@skerry/shared/privacy';
import {
  type LearnPlan,
  learnPlanBytes,
  learnPlanBytesMax,
  learnPlanSchema,
  learnPlanVersionOf,
  type QueryPlan,
  type Question,
} from '@skerry/sync-protocol/learn';
import { selects } from '../../fleet/selection.ts';
import { checkPrivateStrategy as checkPrivate, openLedger, roundsLeft } from '../privacy/index.ts';
import { obstaclesToQuery, queryBaseOf, queryPlanOf, questionOf } from '../queries/index.ts';
import type { Strategy, StrategyTraits } from '../strategies/index.ts';
import type { MaskRoundPorts } from './mask-round.ts';
import { type ModelBlobsPorts, runOwner, storeModel } from './model-blobs.ts';
import type { BaseModel, BaseModels, LearnDevices } from './ports.ts';
import { modelBytes } from './round-numbers.ts';
import type { RunBook } from './run-book.ts';
import type { RunPlan } from './run-plan.ts';
import type { RunState } from './run-state.ts';
import { mechanismFor, obstaclesToMasking, securePlanFor } from './secure-plan-for.ts';
import { strategyOf } from './strategy-of.ts';
import { roundBytesMax, sampleMayExceed, updateSizeOf, updatesMaxOf } from './updates-max.ts';

export interface CreateRunPorts extends ModelBlobsPorts, Pick<MaskRoundPorts, 'masking'> {
  readonly bases: BaseModels;
  readonly devices: LearnDevices;
  readonly clock: Clock;
}

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
  const base = await baseOf(ports, plan);
  if (!base.ok) return base;
  const built = strategyOf(plan, base.value.layout);
  if (!built.ok) return built;
  const strategy = built.value;
  const learn = learnPlanOf(plan, base.value, strategy);
  if (!learn.ok) return learn;
  const obstacles = [
    ...obstaclesToWork(plan, learn.value, strategy.traits),
    ...obstaclesTo(plan, learn.value, strategy.traits),
    ...obstaclesToSampling(ports, plan, learn.value),
    ...obstaclesToMasking(ports.masking !== undefined, plan, learn.value, strategy.traits),
    ...(plan.query === undefined ? [] : obstaclesToQuery({ ...plan, query: plan.query })),
  ];
  if (obstacles.length > 0) return err(failure('invalid_argument', obstacles.join('; ')));
  const held = await keepHeldOut(ports, plan);
  if (!held.ok) return held;
  const model = await storeModel(
    ports,
    plan.id,
    modelBytes(strategy, strategy.initialize(base.value.parameters)),
  );
  if (!model.ok) return model;
  const { version, bundle, question } = base.value;
  const query = question && queryFor(plan, learn.value, question);
  if (query?.ok === false) return query;
  return book.begin(plan.id, {
    kind: 'created',
    atMs: ports.clock.nowMs(),
    by,
    plan,
    base: { version, bundle },
    learn: learn.value,
    ...(query && { query: query.value }),
    model: model.value,
    asynchronous: strategy.traits.asynchronous,
  });
}

type Base = BaseModel & { readonly question?: Question };

async function baseOf({ bases }: CreateRunPorts, plan: RunPlan): Promise<Result<Base>> {
  if (plan.query === undefined) return bases.open(plan);
  const base = await bases.describe(plan);
  if (!base.ok) return base;
  const { version, bundle, labels } = base.value;
  const question = questionOf(plan.query, labels);
  if (!question.ok) return question;
  const isNoised = plan.privacy !== undefined;
  const vector = queryBaseOf(question.value, plan.masking !== undefined && !isNoised);
  return ok({ version, bundle, ...vector, question: question.value });
}

/** What devices are sent. */
function queryFor(plan: RunPlan, learn: LearnPlan, question: Question): Result<QueryPlan> {
  const secure = securePlanFor(plan, learn);
  if (!secure.ok) return secure;
  const { model, base, examplesMax, seed } = learn;
  const asked = queryPlanOf(question, { model, base, examplesMax, seed });
  return ok(secure.value === undefined ? asked : { ...asked, secure: secure.value });
}

/** Referred to, and whole. Fails with `not_found`. */
async function keepHeldOut(
  { blobs, references }: CreateRunPorts,
  { id, heldOut }: RunPlan,
): Promise<Result<void>> {
  for (const { digest, bytes } of heldOut === undefined ? [] : [heldOut.images, heldOut.labels]) {
    const referred = await references.add(digest, runOwner(id));
    if (!referred.ok) return referred;
    const held = await blobs.holding(digest);
    if (!held.ok) return held;
    if (held.value.kind !== 'whole' || held.value.bytes !== bytes)
      return err(failure('not_found', `held-out examples ${digest} are not here`));
  }
  return ok(undefined);
}

/** What clients are told in every round. */
function learnPlanOf(plan: RunPlan, base: BaseModel, strategy: Strategy): Result<LearnPlan> {
  const { model, trains, seed, work } = plan;
  const { bundle, network, layout, parameters } = base;
  const { proximalMu } = strategy.configureTrain(strategy.initialize(parameters));
  const parsed = learnPlanSchema.safeParse({
    version: learnPlanVersionOf({ network, trains }),
    model,
    base: bundle,
    network,
    trains,
    layout,
    ...work,
    seed,
    ...(proximalMu > 0 ? { proximalMu } : {}),
    ...(strategy.traits.needsControl ? { controlVariates: true } : {}),
    ...(strategy.traits.needsStartLoss ? { startLoss: true } : {}),
  });
  if (!parsed.success)
    return err(failure('invalid_argument', `the plan for clients: ${parsed.error.message}`));
  const { length } = learnPlanBytes(parsed.data);
  return length <= learnPlanBytesMax
    ? ok(parsed.data)
    : err(failure('too_large', `a plan of ${length} bytes; at most ${learnPlanBytesMax}`));
}

function obstaclesTo(plan: RunPlan, learn: LearnPlan, traits: StrategyTraits): readonly string[] {
  const { clients, strategy, timeouts, rounds } = plan;
  const obstacles: string[] = [];
  if (clients.min < traits.clientsMin)
    obstacles.push(
      `${strategy.name} needs ${traits.clientsMin} clients; a round may begin with ${clients.min}`,
    );
  const { byzantine = 0 } = 'byzantine' in strategy ? strategy : {};
  if (byzantine > 0 && clients.min < traits.clientsMin + byzantine)
    obstacles.push(
      `whoever lies may be left out: beside ${byzantine} liars ${strategy.name} needs ${traits.clientsMin}, and clients.min is ${clients.min}`,
    );
  obstacles.push(...obstaclesToPrivacy(plan, learn));
  const asked = Math.ceil(clients.target * clients.overSelect);
  const bytes = asked * updateSizeOf(learn);
  if (bytes > roundBytesMax)
    obstacles.push(`${asked} updates at once are ${bytes} bytes; at most ${roundBytesMax}`);
  if (timeouts.gatherMs > timeouts.selectMs)
    obstacles.push('gatherMs is more than selectMs: no round would begin with fewer than all');
  if (plan.evaluate?.clients === 0 && plan.heldOut === undefined)
    obstacles.push('nobody measures: evaluate.clients is 0 and nothing is held out');
  if (plan.candidate !== undefined && plan.heldOut === undefined)
    obstacles.push('a candidate is calibrated and judged on held-out examples: there are none');
  if (strategy.name === 'fedbuff' && clients.target > strategy.bufferSize)
    obstacles.push('clients.target is more than bufferSize: one look would make several models');
  if (strategy.name === 'fedbuff' && clients.target < strategy.bufferSize)
    obstacles.push('clients.target is less than bufferSize: one look would make no model');
  if (plan.evaluate !== undefined && plan.evaluate.everyRounds > rounds)
    obstacles.push(`evaluate.everyRounds is more than the run’s ${rounds} rounds`);
  return obstacles;
}

function obstaclesToPrivacy(plan: RunPlan, learn: LearnPlan): readonly string[] {
  const { privacy, sampling, clients } = plan;
  if (privacy === undefined) return [];
  const obstacles: string[] = [];
  if (privacy.central !== undefined) {
    const { samplingRate } = privacy.central;
    if (sampling.kind !== 'poisson' || sampling.share !== samplingRate)
      obstacles.push(`a private run samples as it accounts: poisson, with share ${samplingRate}`);
    if (plan.eligibility.separationMs > 0)
      obstacles.push(
        'a private run draws each device in each round: separationMs would keep some of them out',
      );
    if (clients.min > 1)
      obstacles.push(
        `a private round is what chance has chosen; clients.min of ${clients.min} would drop the small ones`,
      );
  }
  const fits = checkPrivateStrategy(strategyOf(plan, learn.layout));
  if (fits !== undefined) obstacles.push(fits);
  // Where there is none masking says why.
  const mechanism = mechanismFor(plan, learn);
  const one = mechanism.ok ? mechanism.value : undefined;
  if (one !== undefined && roundsLeft(openLedger(privacy.budget), one, 1) === 0)
    obstacles.push('the privacy budget has not one round');
  return obstacles;
}

/** The fleet of today: one that has grown since is told at the attempt that draws too many. */
function obstaclesToSampling(
  { devices }: CreateRunPorts,
  { sampling, select }: RunPlan,
  learn: LearnPlan,
): readonly string[] {
  if (sampling.kind !== 'poisson') return [];
  const fleet = devices.list().filter((device) => selects(select, device)).length;
  const max = updatesMaxOf(learn);
  return sampleMayExceed(fleet, sampling.share, max)
    ? [`chance may choose more than ${max} of ${fleet} devices with share ${sampling.share}`]
    : [];
}

/** What no client would do, or would do otherwise than the strategy reckons. */
function obstaclesToWork(
  { strategy, work }: RunPlan,
  { layout }: LearnPlan,
  { needsStartLoss, needsControl }: StrategyTraits,
): readonly string[] {
  const { momentum = 0, localNoise, clipNorm, learningRate, examplesMin, examplesMax } = work;
  const { name } = strategy;
  const obstacles: string[] = [];
  if (name === 'fednova' && strategy.localMomentum !== momentum)
    obstacles.push(
      `fednova reckons with a local momentum of ${strategy.localMomentum}; clients train with ${momentum}`,
    );
  if (name === 'q-fedavg' && strategy.clientLearningRate !== learningRate)
    obstacles.push(
      `q-fedavg reckons with a learning rate of ${strategy.clientLearningRate}; clients train with ${learningRate}`,
    );
  if (needsControl && momentum > 0)
    obstacles.push(`${name} reckons its control variates without momentum`);
  if (needsControl && localNoise !== undefined)
    obstacles.push(`${name} sends a control variate, which has no noise of its own`);
  if (needsStartLoss && localNoise !== undefined)
    obstacles.push(`${name} needs each client's loss, which a noised update does not tell`);
  if (layout.tensors.every(({ name }) => work.personal?.includes(name)))
    obstacles.push('all that is trained is personal: nothing would be learned together');
  if (examplesMin > examplesMax) obstacles.push('examplesMin is more than examplesMax');
  if (localNoise !== undefined && clipNorm === undefined)
    obstacles.push('localNoise needs a clipNorm');
  if (localNoise !== undefined && localNoise > noiseMultiplierMax)
    obstacles.push(`localNoise is ${localNoise}; devices add ${noiseMultiplierMax} at most`);
  return obstacles;
}

function checkPrivateStrategy(strategy: Result<Strategy>): string | undefined {
  const fits = strategy.ok ? checkPrivate(strategy.value) : strategy;
  return fits.ok ? undefined : fits.error.message;
}
