// The rules of a manifest that hold between its parts; zod has checked each part alone.

import { err, failure, ok, type Result } from '@skerry/shared';
import { calibrationProblems } from './calibration.ts';
import type { Manifest } from './manifest.ts';

export function checkManifest(manifest: Manifest): Result<Manifest> {
  const problems = [
    ...taskProblems(manifest),
    ...stageProblems(manifest),
    ...exitProblems(manifest),
    ...variantProblems(manifest),
  ];
  if (problems.length === 0) return ok(manifest);
  return err(failure('invalid_bundle', `bundle ${manifest.name}: ${problems.join('; ')}`));
}

function* taskProblems({ task, inputs, labels, exits }: Manifest): Generator<string> {
  if (task === 'tensor') {
    if (labels.length > 0 || exits.length > 0) yield 'task tensor has labels, or exits';
    return;
  }
  if (inputs.length !== 1) yield `task ${task} takes one input`;
  if (labels.length < 2) yield `task ${task} has two labels or more`;
  if (exits.length === 0) yield `task ${task} has an exit`;
}

function* stageProblems({ stages, inputs }: Manifest): Generator<string> {
  if (new Set(stages.map((s) => s.name)).size < stages.length) yield 'two stages share a name';
  for (const { name } of inputs)
    if (!stages[0]?.inputs.some((input) => input.name === name))
      yield `the first stage does not take the bundle’s input '${name}'`;
  for (const [i, stage] of stages.entries()) {
    const next = stages[i + 1];
    if (next === undefined) {
      if (stage.cut !== undefined) yield `stage ${stage.name} is the last and has a cut`;
      continue;
    }
    const cut = stage.outputs.find((o) => o.name === stage.cut);
    if (stage.cut === undefined) {
      // A cascade: the next is a model of its own.
      if (next.inputs.map(({ name }) => name).join() !== inputs.map(({ name }) => name).join())
        yield `stage ${stage.name} has no cut, and ${next.name} does not take the bundle’s input`;
    } else if (cut === undefined)
      yield `stage ${stage.name} has no output '${stage.cut}' to cut at`;
    else if (!next.inputs.some((input) => input.name === cut.name))
      yield `stage ${next.name} does not take the cut '${cut.name}'`;
    if (stage.side === 'cloud' && next.side === 'edge')
      yield `stage ${next.name} would come back from the cloud`;
  }
}

function* exitProblems({ exits, stages }: Manifest): Generator<string> {
  for (const [i, exit] of exits.entries()) {
    if (exit.index !== i + 1) yield `exit ${exit.index} stands at place ${i + 1}`;
    const stage = stages.find((s) => s.name === exit.stage);
    if (!stage?.outputs.some((o) => o.name === exit.logits))
      yield `exit ${exit.index} names no output of stage ${exit.stage}`;
  }
  if (exits.length > 0 && exits.at(-1)?.stage !== stages.at(-1)?.name)
    yield 'the last exit is not of the last stage';
}

function* variantProblems({
  variants,
  stages,
  exits,
  labels,
  golden,
}: Manifest): Generator<string> {
  for (const { name, digest, files, calibration, golden: own } of variants) {
    if (own !== undefined && own.length !== golden.length)
      yield `variant ${name} speaks of ${own.length} golden inputs, there are ${golden.length}`;
    if (
      Object.keys(files).sort().join() !==
      stages
        .map((s) => s.name)
        .sort()
        .join()
    )
      yield `variant ${name} does not hold exactly one file a stage`;
    if (calibration.variant !== digest)
      yield `variant ${name} carries the calibration of another build`;
    for (const calibrated of calibration.exits) {
      if (!exits.some((e) => e.index === calibrated.exit))
        yield `variant ${name} calibrates no exit ${calibrated.exit}`;
      yield* calibrationProblems(calibrated, labels.length);
    }
  }
}
