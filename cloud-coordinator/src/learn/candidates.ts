// What a run was for: a version of its model with what it has learned, in the registry, and rolled out if the plan says so. It is
// made and measured apart; the same log gives the same bytes, so that who was cut off makes it again and finds it there.

import { deviceExitOf, type Manifest } from '@skerry/models';
import {
  type Bundle,
  evaluateApart,
  type HeldOutFiles,
  type NewWeights,
  type Reweighting,
  reweightApart,
} from '@skerry/models/node';
import { type Clock, defined, err, failure, ok, type Result } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import {
  type BlobRef,
  type BlobReferences,
  type BlobStore,
  storeBytes,
} from '@skerry/sync-protocol/blobs';
import { layoutSize, readVector, tensorsOf } from '@skerry/sync-protocol/learn';
import type { Registry } from '../update/registry/index.ts';
import type { Rollouts } from '../update/rollouts/index.ts';
import { stateOf } from './privacy/index.ts';
import { type Candidates, type RunState, readBlob, runOwner } from './runs/index.ts';

export interface CandidatesPorts {
  readonly registry: Registry;
  readonly blobs: BlobStore;
  readonly references: BlobReferences;
  /** Absent: nothing is rolled out here. */
  readonly rollouts: Pick<Rollouts, 'create' | 'get'> | undefined;
  readonly clock: Clock;
}

export function createCandidates(ports: CandidatesPorts): Candidates {
  const { registry, blobs } = ports;

  const groundOf = async (state: RunState) => {
    const { heldOut } = state.plan;
    if (heldOut === undefined)
      return err(failure('invalid_argument', 'a run without held-out examples'));
    const base = await readBase(ports, state);
    if (!base.ok) return base;
    const files = await readFiles(blobs, heldOut);
    return files.ok ? ok({ base: base.value, heldOut: files.value, seed: state.plan.seed }) : files;
  };

  return {
    async evaluate(state) {
      const ground = await groundOf(state);
      if (!ground.ok) return ground;
      const learned = await learnedOf(blobs, state, ground.value.base.manifest);
      if (!learned.ok) return learned;
      return evaluateApart(ground.value, learned.value, state.plan.timeouts.finishMs);
    },

    async publish(state) {
      const ground = await groundOf(state);
      if (!ground.ok) return ground;
      const { manifest } = ground.value.base;
      const learned = await learnedOf(blobs, state, manifest);
      if (!learned.ok) return learned;
      const how = reweightingOf(state, manifest, learned.value);
      const made = await reweightApart(ground.value, how, state.plan.timeouts.finishMs);
      if (!made.ok) return made;
      for (const bytes of made.value.files.values()) {
        const kept = await keep(ports, state, bytes);
        if (!kept.ok) return kept;
      }
      const bytes = new TextEncoder().encode(`${JSON.stringify(made.value.manifest, null, 1)}\n`);
      const published = await registry.publish(bytes, state.by, { run: state.plan.id });
      if (!published.ok) return published;
      if ('lacking' in published.value)
        return err(failure('storage_failed', 'what was stored for the registry is gone again'));
      const { version, manifest: ref } = published.value;
      const { before, after } = made.value;
      return ok({
        version,
        manifest: ref,
        before: before.accuracyEndToEnd,
        after: after.accuracyEndToEnd,
      });
    },

    async rollOut(state, version) {
      const { rollouts } = ports;
      const { plan, by } = state;
      const id = rolloutName(plan.id);
      const begun = rollouts?.get(id)?.plan;
      // Begun by a start before this one, and not written down; or an operator's, which has only the name.
      if (begun !== undefined)
        return begun.model === plan.model && begun.version === version
          ? ok(id)
          : err(failure('invalid_argument', `${id} rolls out ${begun.model} ${begun.version}`));
      const wanted = plan.candidate?.rollOut;
      if (rollouts === undefined || wanted === undefined)
        return err(failure('invalid_argument', 'nothing is rolled out here'));
      const created = await rollouts.create({ ...wanted, id, model: plan.model, version }, by);
      return created.ok ? ok(id) : created;
    },
  };
}

/** Names are 64 characters at most: of a longer one the end is told by its digest, for runs may differ in it alone. */
export function rolloutName(run: string): string {
  const name = `learn-${run}`;
  const digest = sha256(new TextEncoder().encode(run)).slice('sha256:'.length);
  return name.length <= 64 ? name : `${name.slice(0, 64 - 17)}-${digest.slice(0, 16)}`;
}

/** The next minor version, where the plan does not say another. */
export function nextVersion(base: string): string {
  const [major = '0', minor = '0'] = base.split('.');
  return `${major}.${Number(minor) + 1}.0`;
}

function reweightingOf(state: RunState, { variants }: Manifest, learned: NewWeights): Reweighting {
  const { plan, base, round, history, learn } = state;
  const { candidate } = plan;
  const [first, ...others] = variants.map(({ name }) => name);
  const used = history.reduce((sum, each) => sum + each.used, 0);
  return {
    ...learned,
    version: candidate?.version ?? nextVersion(base.version),
    variants: (candidate?.variants ?? others).filter((name) => name !== first),
    accuracyDropMax: candidate?.accuracyDropMax ?? 0,
    lineage: {
      recipe: `federated run ${plan.id}: ${round} rounds of ${plan.strategy.name} from ${base.version} (${base.bundle})${partOf(learn)}`,
      data: [{ name: `examples on devices, ${used} updates; run ${plan.id}` }],
    },
    card: {
      limitations: limitationsOf(state),
      metrics: { federatedRounds: round, federatedUpdates: used, ...privacyMetrics(state) },
    },
  };
}

/** Of a network all is trained. */
const partOf = ({ network, trains }: RunState['learn']): string =>
  network.kind === 'named'
    ? ''
    : `, ${trains === 'head' ? 'the head alone' : 'all'} of its graph on devices`;

function limitationsOf({ plan, privacy }: RunState): string {
  const learned = `Learned on devices in run ${plan.id}, whose examples nobody else has seen.`;
  if (privacy === undefined)
    return `${learned} No noise was added: a model may tell of single devices’ examples.`;
  const { epsilon, delta, conversion, order, unit, sampling, released } = stateOf(privacy.ledger);
  return `${learned} Differentially private: ε ${epsilon.toFixed(4)} at δ ${delta}, per ${unit}, over ${released} released models (RDP accountant, order ${order}, conversion ${conversion}, ${samplingOf(sampling)}).`;
}

const samplingOf = (sampling: 'poisson' | 'none'): string =>
  sampling === 'none' ? 'no sampling counted' : 'poisson sampling from those who could be asked';

function privacyMetrics({ privacy }: RunState): Record<string, number> {
  if (privacy === undefined) return {};
  const { epsilon, delta } = stateOf(privacy.ledger);
  return { epsilon, delta };
}

async function readBase({ registry, blobs }: CandidatesPorts, state: RunState) {
  const { plan, base } = state;
  const found = await registry.version(plan.model, base.version);
  if (!found.ok) return found;
  const { manifest: ref } = found.value;
  const manifest = await registry.manifest(ref);
  if (!manifest.ok) return manifest;
  const variant = defined(manifest.value.variants[0], 'a bundle has a variant');
  const stages = new Map<string, Uint8Array>();
  for (const { name } of manifest.value.stages) {
    const file = defined(variant.files[name], `stage ${name}`);
    const bytes = await readBlob(blobs, { digest: file.sha256, bytes: file.bytes });
    if (!bytes.ok) return bytes;
    stages.set(name, bytes.value);
  }
  const bundle: Bundle = { digest: ref.digest, manifest: manifest.value, variant, stages };
  return ok(bundle);
}

async function readFiles(
  blobs: Pick<BlobStore, 'read'>,
  { images, labels }: { readonly images: BlobRef; readonly labels: BlobRef },
): Promise<Result<HeldOutFiles>> {
  const read = [await readBlob(blobs, images), await readBlob(blobs, labels)] as const;
  if (!read[0].ok) return read[0];
  return read[1].ok ? ok({ images: read[0].value, labels: read[1].value }) : read[1];
}

async function learnedOf(
  blobs: Pick<BlobStore, 'read'>,
  { learn, model }: RunState,
  manifest: Manifest,
): Promise<Result<NewWeights>> {
  const bytes = await readBlob(blobs, model.parameters);
  if (!bytes.ok) return bytes;
  const vector = readVector(bytes.value, layoutSize(learn.layout));
  const weights = vector.ok ? tensorsOf(learn.layout, vector.value) : vector;
  if (!weights.ok) return weights;
  if (learn.network.kind === 'named') return ok({ weights: weights.value });
  const exit = deviceExitOf(manifest);
  return exit.ok ? ok({ weights: weights.value, stage: exit.value.stage }) : exit;
}

/** Until the registry has it. */
async function keep(
  { blobs, references }: CandidatesPorts,
  { plan }: RunState,
  bytes: Uint8Array,
): Promise<Result<void>> {
  const ref = { digest: sha256(bytes), bytes: bytes.length };
  const referred = await references.add(ref.digest, runOwner(plan.id));
  return referred.ok ? storeBytes(blobs, ref, bytes) : referred;
}
