// The model that a run begins from: a version of the registry, whose weights are read out of its ONNX files, by name. What is
// read was signed or not as the version is; a device trains only what the plan names.

import type { Manifest, Variant } from '@skerry/models';
import { decodeModel, floatInitializers } from '@skerry/models/onnx';
import { knownNetworks, layoutOf, type NetworkName, parametersOf } from '@skerry/models/training';
import { err, failure, ok, type Result } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import type { BlobStore } from '@skerry/sync-protocol/blobs';
import { type ParameterLayout, vectorOf } from '@skerry/sync-protocol/learn';
import type { Registry } from '../update/registry/index.ts';
import type { BaseModel, BaseModels } from './runs/index.ts';

export interface BaseModelsPorts {
  readonly registry: Pick<Registry, 'version' | 'manifest'>;
  readonly blobs: Pick<BlobStore, 'read'>;
}

export function createBaseModels({ registry, blobs }: BaseModelsPorts): BaseModels {
  return {
    async open({ model, base, network, trains }) {
      const found = await registry.version(model, base);
      if (!found.ok) return found;
      const { version, manifest: ref } = found.value;
      const manifest = await registry.manifest(ref);
      if (!manifest.ok) return manifest;
      const layout = layoutFor(network, trains);
      if (!layout.ok) return layout;
      const weights = await weightsOf(blobs, manifest.value);
      if (!weights.ok) return weights;
      const parameters = vectorOf(layout.value, weights.value);
      if (!parameters.ok)
        return err(
          failure(
            'invalid_argument',
            `${model} ${version} is no ${network ?? 'network'}: ${parameters.error.message}`,
          ),
        );
      return ok({
        version,
        bundle: ref.digest,
        network: networkOf(network, manifest.value),
        layout: layout.value,
        parameters: parameters.value,
      });
    },
  };
}

const networkOf = (
  network: string | undefined,
  { variants: [first] }: Manifest,
): BaseModel['network'] =>
  network === undefined
    ? { kind: 'bundle', variant: first?.name ?? '' }
    : { kind: 'named', name: network };

function layoutFor(network: string | undefined, trains: 'all' | 'head'): Result<ParameterLayout> {
  if (network === undefined)
    return err(
      failure('invalid_argument', 'name a network: graphs of bundles are not trained yet'),
    );
  if (!Object.hasOwn(knownNetworks, network))
    return err(
      failure(
        'invalid_argument',
        `no network ${network}; there are ${Object.keys(knownNetworks).join(', ')}`,
      ),
    );
  const known = knownNetworks[network as NetworkName];
  const { tensors } = layoutOf({ parameters: parametersOf(known.network) });
  // As `headOf` has it: the last segment’s.
  const head = `${known.network.segments.at(-1)?.name}.head.`;
  const trained = trains === 'all' ? tensors : tensors.filter(({ name }) => name.startsWith(head));
  return ok({ tensors: trained.map(({ name, shape }) => ({ name, shape: [...shape] })) });
}

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
