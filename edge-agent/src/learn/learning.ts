// Learning on a device, put together: examples and what is consented to, drift, and the device's part in rounds; and what of
// it the cloud and a person are told, which is counts and nothing else.

import type { Tensor } from '@skerry/models';
import { type Clock, type Log, nameSchema, ok, type Random, type Result } from '@skerry/shared';
import type { Answer } from '@skerry/sync-protocol';
import { type LearnStatus, type LearnTask, planVersionsKnown } from '@skerry/sync-protocol/learn';
import type { Model } from '../infer/model.ts';
import type { InferenceAnswer } from '../infer/request.ts';
import type { PowerReading } from '../route/strain.ts';
import { createDriftMeter, type DriftMeter } from './drift.ts';
import type { Conditions, LearnTerms } from './eligibility.ts';
import type { Consent, ExampleBounds } from './example-store.ts';
import type { PrivacyTerms } from './judge-privacy.ts';
import { createKeepExamples, type KeepExamples } from './keep-examples.ts';
import type { LearningModel, LearningPorts } from './learn-ports.ts';
import { createParticipation } from './participation.ts';

export interface LearningConfig {
  readonly device: string;
  readonly target: string;
  readonly unmetered: boolean;
  /** Of the operator; an app may say otherwise. */
  readonly consent: (model: string) => Consent;
  /** How often each label occurs. */
  readonly tellsLabels: boolean;
  readonly terms: LearnTerms;
  readonly privacy: Omit<PrivacyTerms, 'labels'>;
  readonly retentionMs: ExampleBounds['retentionMs'];
}

export interface LearningWorld {
  readonly models: ReadonlyMap<string, Model>;
  /** What runs under that name. */
  readonly learningModel: (name: string) => LearningModel | undefined;
  readonly labelsOf: (model: string, version: string) => readonly string[] | undefined;
  readonly waiting: () => number;
  readonly power: () => PowerReading;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export interface Learning extends Pick<KeepExamples, 'correct' | 'add'> {
  /** A request is about to run. */
  offer(model: Model, input: Tensor): ((answer: InferenceAnswer) => void) | undefined;
  answered(answer: InferenceAnswer): void;
  /** Inside the transaction that applies the op, and after it. */
  receive(task: LearnTask): void;
  wake(): void;
  cloudAnswered(answers: readonly Answer[]): void;
  setConsent(model: string, consent: Consent): Result<void>;
  examples: Pick<LearningPorts['examples'], 'list' | 'counts' | 'remove'>;
  status(): LearnStatus;
  /** For a person on the device. */
  describe(): Readonly<Record<string, unknown>>;
  close(): Promise<void>;
}

/** The longest that anybody may ask for. */
const idleMsMax = 86_400_000;
const expireEveryMs = 60_000;
/** As many as a status tells of. */
const modelsMax = 16;
const labelsToldMax = 64;

export function createLearning(
  config: LearningConfig,
  ports: LearningPorts,
  world: LearningWorld,
): Learning {
  const { examples, rounds } = ports;
  const { clock, log } = world;
  const consents = new Map<string, Consent>();
  const meters = new Map<string, DriftMeter>();
  let lastAskedMs: number | undefined;

  const consent = (model: string): Consent => {
    const known = consents.get(model) ?? examples.consent(model) ?? config.consent(model);
    consents.set(model, known);
    return known;
  };

  const meterOf = ({ bundle, manifest }: Model): DriftMeter => {
    const known = meters.get(bundle);
    if (known !== undefined) return known;
    const meter = createDriftMeter(manifest.labels.length, examples.reference(bundle));
    const [oldest] = meters.keys();
    if (meters.size >= modelsMax && oldest !== undefined) meters.delete(oldest);
    meters.set(bundle, meter);
    return meter;
  };

  const conditions = (): Conditions => {
    const { batteryShare, discharging, celsius } = world.power();
    return {
      waiting: world.waiting(),
      // Nobody has asked in this life: it is not kept waiting for a start.
      idleForMs: lastAskedMs === undefined ? idleMsMax : clock.monotonicMs() - lastAskedMs,
      unmetered: config.unmetered,
      ...(batteryShare === undefined ? {} : { batteryShare }),
      ...(discharging === undefined ? {} : { discharging }),
      ...(celsius === undefined ? {} : { celsius }),
    };
  };

  /** Of the labels that the model has now. */
  const labelCounts = (name: string): number[] => {
    const counts = examples.counts().find(({ model }) => model === name)?.labels;
    return (world.models.get(name)?.manifest.labels ?? []).map((label) => counts?.get(label) ?? 0);
  };

  const driftNow = (name: string): number | undefined => {
    const model = world.models.get(name);
    return model && meters.get(model.bundle)?.drift();
  };

  const keeping = createKeepExamples(
    {
      store: examples,
      labelsOf: (model, version) =>
        version === undefined
          ? world.models.get(model)?.manifest.labels
          : world.labelsOf(model, version),
      clock,
      random: world.random,
      consent,
    },
    config,
  );
  const participation = createParticipation({
    ...ports,
    device: config.device,
    model: world.learningModel,
    consent,
    conditions,
    terms: config.terms,
    privacy: { ...config.privacy, labels: config.tellsLabels ? 'told' : 'masked' },
    clock,
    log,
  });

  let expiring = clock.after(0, expire);
  function expire(): void {
    const gone = examples.expire(clock.nowMs());
    if (gone.ok && gone.value > 0) log.info({ examples: gone.value }, 'examples have expired');
    expiring = clock.after(expireEveryMs, expire);
  }

  return {
    correct: keeping.correct,
    add: keeping.add,
    offer: keeping.offer,
    answered(answer) {
      lastAskedMs = clock.monotonicMs();
      const meter = meterOf(answer.model);
      meter.answered(answer.label);
      const reference = meter.takeReference();
      if (reference !== undefined) examples.keepReference(answer.model.bundle, reference);
    },
    receive: participation.receive,
    wake: participation.wake,
    cloudAnswered(answers) {
      for (const answer of answers) keeping.cloudAnswered(answer);
    },
    setConsent(model, given) {
      const had = consent(model);
      const isWithdrawn = (had.people && !given.people) || (had.cloud && !given.cloud);
      if (isWithdrawn) {
        // What a run keeps was made of all of them. Before anything else: who is told that it failed may try again.
        const forgotten = participation.withdraw(model);
        if (!forgotten.ok) return forgotten;
      }
      const set = examples.setConsent(model, given);
      if (!set.ok) return set;
      consents.set(model, given);
      if (!given.people) keeping.forget(model);
      return ok(undefined);
    },
    examples,
    status() {
      const { batteryShare, discharging, celsius } = world.power();
      const { idleForMs, waiting, unmetered } = conditions();
      const hardware = nameSchema.safeParse(config.target);
      return {
        plans: [...planVersionsKnown],
        networks: [...ports.runner.networks],
        examples: [...world.models.keys()].slice(0, modelsMax).flatMap((model) => {
          const { people, cloud } = consent(model);
          if (!people && !cloud) return [];
          const labels = labelCounts(model);
          const count = labels.reduce((sum, n) => sum + n, 0);
          const drift = driftNow(model);
          return {
            model,
            count,
            ...(config.tellsLabels && labels.length <= labelsToldMax && { labels }),
            ...(drift === undefined ? {} : { drift }),
          };
        }),
        idle: waiting === 0 && idleForMs >= config.terms.idleMsMin,
        // Without a battery it hangs on the mains.
        charging: discharging !== true,
        unmetered,
        ...(batteryShare === undefined ? {} : { battery: batteryShare }),
        ...(celsius === undefined ? {} : { temperature: celsius }),
        ...(hardware.success && { hardwareClass: hardware.data }),
      };
    },
    describe: () => ({
      ...participation.view(),
      conditions: conditions(),
      terms: config.terms,
      runs: rounds.runs(),
      models: [...world.models.values()].map(({ manifest, bundle }) => ({
        model: manifest.name,
        consent: consent(manifest.name),
        drift: meters.get(bundle)?.drift(),
        examples: labelCounts(manifest.name),
      })),
    }),
    async close() {
      expiring.cancel();
      await participation.close();
    },
  };
}
