// Whether this device can run a bundle, told by its manifest alone, before the rest is fetched. Pure. Apps have built on
// the tensors that a model takes, so a version that takes others is another model.

import { type Manifest, sessionMemoryBytes, type Variant } from '@skerry/models';
import { err, ok, type Result } from '@skerry/shared';
import type { Goal, Reason } from './update-record.ts';

export interface DeviceLimits {
  readonly memoryBytesMax: number;
}

/** The build to run: the one that the assignment names, or the first that fits. */
export function judgeFit(
  manifest: Manifest,
  { terms }: Pick<Goal, 'terms'>,
  incumbent: Manifest,
  limits: DeviceLimits,
): Result<Variant, Reason> {
  const misfit = (message: string): Result<never, Reason> =>
    err({ code: 'misfit', message: `${terms.model} ${terms.version}: ${message}`.slice(0, 512) });
  const { name, version, task, variants } = manifest;
  if (name !== terms.model || version !== terms.version)
    return misfit(`the manifest is of ${name} ${version}`);
  if (terms.target !== `${name}/${version}/manifest.json`)
    return misfit(`its target is ${terms.target}`);
  if (task !== incumbent.task) return misfit(`its task is ${task}, not ${incumbent.task}`);
  if (JSON.stringify(manifest.inputs) !== JSON.stringify(incumbent.inputs))
    return misfit('it takes other inputs than the model has taken');
  const wanted = variants.filter(
    (variant) => terms.variant === undefined || variant.name === terms.variant,
  );
  if (wanted.length === 0) return misfit(`it has no variant ${terms.variant}`);
  const edge = manifest.stages.filter(({ side }) => side === 'edge');
  if (edge.length === 0) return misfit('it has no stage for a device');
  const fitting = wanted.find((variant) => memoryOf(manifest, variant) <= limits.memoryBytesMax);
  return fitting === undefined
    ? misfit(`it takes more memory than models may, ${limits.memoryBytesMax} bytes`)
    : ok(fitting);
}

/** What its edge stages take when they are loaded. */
export function memoryOf({ stages }: Manifest, { files }: Variant): number {
  return stages
    .filter(({ side }) => side === 'edge')
    .reduce((sum, stage) => sum + sessionMemoryBytes(stage, files[stage.name]?.bytes ?? 0), 0);
}
