// The calibration of every exit of one variant, from what this very variant gives on held-out examples.

import { defined, ok, type Result } from '@skerry/shared';
import { type Criterion, calibrateExit, calibrateLastExit } from '../calibration/calibrate-exit.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { ExitCalibration } from './calibration.ts';
import type { Manifest } from './manifest.ts';
import { type CalibrationExamples, runStages, type StageBytes } from './run-stages.ts';

/** An exit without a criterion answers whatever comes to it, as the last one does. Fails as the runtime does. */
export async function calibrateVariant(
  manifest: Pick<Manifest, 'stages' | 'exits' | 'labels'>,
  bytes: StageBytes,
  { tuning, proving }: Pick<CalibrationExamples, 'tuning' | 'proving'>,
  criterionOf: (exit: number) => Criterion | undefined,
  runtime: Runtime,
): Promise<Result<ExitCalibration[]>> {
  const tuned = await runStages(manifest, bytes, tuning, runtime);
  const proven = await runStages(manifest, bytes, proving, runtime);
  if (!tuned.ok) return tuned;
  if (!proven.ok) return proven;
  return ok(
    manifest.exits.map(({ index }, place) => {
      const forTuning = defined(tuned.value[place], `exit ${index}`);
      const criterion = criterionOf(index);
      if (place === manifest.exits.length - 1 || criterion === undefined)
        return calibrateLastExit(index, forTuning);
      const forProving = defined(proven.value[place], `exit ${index}`);
      return calibrateExit(index, { tuning: forTuning, proving: forProving }, criterion);
    }),
  );
}
