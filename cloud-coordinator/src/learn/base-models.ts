// The model that a run begins from: a version of the registry, whose weights are read out of its ONNX files, by name: of a
// network that devices know, or of the very graph that they run. What is read was signed or not as the version is.

import { deviceExitOf, type Manifest, type Variant } from '@skerry/models';
import { knownNetworks, layoutOf, type NetworkName, parametersOf } from '@skerry/models/networks';
import { importApart } from '@skerry/models/node';
import { decodeModel, floatInitializers } from '@skerry/models/onnx';
import { err, failure, ok, type Result } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import type { BlobStore } from '@skerry/sync-protocol/blobs';
import { layoutSizeMax, type ParameterLayout, vectorOf } from '@skerry/sync-protocol/learn';
import type { Registry } from '../update/registry/index.ts';
import type { BaseModel, BaseModels, RunPlan } from './runs/index.ts';

export interface BaseModelsPorts {
  readonly registry: Pick<Registry, 'version' | 'manifest'>;
  readonly blobs: Pick<BlobStore, 'read'>;
}

/** Of reading a graph; whoever starts a run waits a little longer. */
const importMsMax = 45_000;

export function createBaseModels({ registry, blobs }: BaseModelsPorts): BaseModels {
  const find = async (model: string, base: string) => {
    const found = await registry.version(model, base);
    if (!found.ok) return found;
    const { version, manifest: ref } = found.value;
    const manifest = await registry.manifest(ref);
    return manifest.ok ? ok({ version, ref, manifest: manifest.value }) : manifest;
  };
  return {
    async open({ model, base, network, trains }) {
      const found = await find(model, base);
      if (!found.ok) return found;
      const { version, ref, manifest } = found.value;
      const trained =
        network === undefined
          ? await graphOf(blobs, manifest, trains)
          : await networkOf(blobs, manifest, network, trains);
      return trained.ok ? ok({ version, bundle: ref.digest, ...trained.value }) : trained;
    },
    async describe({ model, base }) {
      const found = await find(model, base);
      if (!found.ok) return found;
      const { version, ref, manifest } = found.value;
      return ok({ version, bundle: ref.digest, labels: manifest.labels });
    },
  };
}

type Trained = Pick<BaseModel, 'network' | 'layout' | 'parameters'>;

/** Of the first variant's stage on devices. */
async function graphOf(
  blobs: Pick<BlobStore, 'read'>,
  manifest: Manifest,
  trains: RunPlan['trains'],
): Promise<Result<Trained>> {
  const [variant] = manifest.variants;
  const exit = deviceExitOf(manifest);
  if (!exit.ok) return exit;
  const bytes = await readStage(blobs, variant, exit.value.stage);
  if (!bytes.ok) return bytes;
  const imported = await importApart(
    bytes.value,
    { trains, output: exit.value.logits },
    importMsMax,
  );
  if (!imported.ok) {
    const { code, message } = imported.error;
    const name = `the graph of ${manifest.name} ${manifest.version}`;
    return err(
      failure(code === 'invalid_bundle' ? 'invalid_argument' : code, `${name}: ${message}`),
    );
  }
  const { layout, weights } = imported.value;
  if (weights.length > layoutSizeMax)
    return err(failure('too_large', `${weights.length} weights; at most ${layoutSizeMax} learn`));
  return ok({
    network: { kind: 'bundle', variant: variant?.name ?? '', digest: variant?.digest ?? '' },
    layout: mutable(layout),
    parameters: weights,
  });
}

/** All stages together: a network goes through the cut. */
async function networkOf(
  blobs: Pick<BlobStore, 'read'>,
  manifest: Manifest,
  name: string,
  trains: RunPlan['trains'],
): Promise<Result<Trained>> {
  const refuse = (message: string) => err(failure('invalid_argument', message));
  if (trains === 'head')
    return refuse(`a head is the base’s own: leave out the network, ${name}, to train it`);
  if (!Object.hasOwn(knownNetworks, name))
    return refuse(`no network ${name}; there are ${Object.keys(knownNetworks).join(', ')}`);
  const { network } = knownNetworks[name as NetworkName];
  const layout = mutable(layoutOf({ parameters: parametersOf(network) }));
  const weights = await weightsOf(blobs, manifest);
  if (!weights.ok) return weights;
  const parameters = vectorOf(layout, weights.value);
  return parameters.ok
    ? ok({ network: { kind: 'named', name }, layout, parameters: parameters.value })
    : refuse(`${manifest.name} ${manifest.version} is no ${name}: ${parameters.error.message}`);
}

const mutable = ({ tensors }: ReturnType<typeof layoutOf>): ParameterLayout => ({
  tensors: tensors.map(({ name, shape }) => ({ name, shape: [...shape] })),
});

/** Of the first variant, all stages together. */
async function weightsOf(
  blobs: Pick<BlobStore, 'read'>,
  { stages, variants: [variant] }: Manifest,
): Promise<Result<ReadonlyMap<string, Float32Array<ArrayBuffer>>>> {
  const weights = new Map<string, Float32Array<ArrayBuffer>>();
  for (const { name } of stages) {
    const bytes = await readStage(blobs, variant, name);
    if (!bytes.ok) return bytes;
    const model = decodeModel(bytes.value);
    const own = model.ok ? floatInitializers(model.value) : model;
    if (!own.ok) return own;
    for (const [parameter, values] of own.value) weights.set(parameter, values);
  }
  return ok(weights);
}

async function readStage(
  blobs: Pick<BlobStore, 'read'>,
  variant: Variant | undefined,
  stage: string,
): Promise<Result<Uint8Array>> {
  const file = variant?.files[stage];
  if (file === undefined) return err(failure('invalid_bundle', `no stage ${stage}`));
  const bytes = await blobs.read(file.sha256, 0, file.bytes);
  if (!bytes.ok || sha256(bytes.value) === file.sha256) return bytes;
  return err(failure('digest_mismatch', `${file.path} is not what the manifest says`));
}
