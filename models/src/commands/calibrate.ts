// models calibrate BUNDLE: when each exit of a variant may be trusted, from labelled examples that its training has not
// seen; written into the manifest, which is the only file that changes.

import { writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { err, failure, messageOf, ok, type Result } from '@skerry/shared';
import { z } from 'zod';
import { calibrateVariant } from '../bundle/calibrate-variant.ts';
import type { Calibration, ExitCalibration } from '../bundle/calibration.ts';
import type { Manifest } from '../bundle/manifest.ts';
import { measureExits, metricsOf } from '../bundle/measure-exits.ts';
import { type Examples, runStages } from '../bundle/run-stages.ts';
import { methodNames, methods } from '../calibration/choose-threshold.ts';
import { losses, lossNames } from '../calibration/loss.ts';
import type { Observed } from '../calibration/observed.ts';
import { riskCoveragePlot, riskCoverageSvg } from '../calibration/risk-coverage-plot.ts';
import { examplesDigest } from '../node/examples-digest.ts';
import { type Bundle, readBundle, zooDirectory } from '../node/read-bundle.ts';
import { createOnnxDirectRuntime } from '../runtime/onnx-direct.ts';
import { measure } from '../training/measure.ts';
import { writeManifest } from '../training/write-bundle.ts';
import { defineCommand, percent, table } from './command.ts';
import { dataDescription, openDataSet } from './data-sets.ts';

const shareSchema = z.coerce.number().gt(0).lt(1);

const schema = z.object({
  data: z.string().min(1).describe(dataDescription),
  variant: z.string().optional().describe('the first, where none is named'),
  epsilon: shareSchema.default(0.003).describe('the risk that is allowed'),
  delta: shareSchema.default(0.1).describe('the probability that it is exceeded all the same'),
  loss: z
    .enum(lossNames)
    .default('error')
    .describe(`what is a loss: ${lossNames.join(', ')}`),
  method: z.enum(methodNames).default('learn-then-test').describe(methodNames.join(', ')),
  thresholds: z
    .enum(['one', 'per-class'])
    .default('one')
    .describe('one an exit, or one for each answered class'),
  svg: z.string().optional().describe('writes the risk–coverage curve of exit 1 to this file'),
  write: z.enum(['yes', 'no']).default('yes').describe('whether the manifest is written'),
});
type Options = z.output<typeof schema>;

export const calibrate = defineCommand('BUNDLE', schema, async (subject, options) => {
  const folder = basename(subject) === subject ? join(zooDirectory, subject) : subject;
  const bundle = await readBundle(folder, ['edge', 'cloud'], options.variant);
  if (!bundle.ok) return bundle;
  const { manifest, variant, stages } = bundle.value;
  const examples = await openDataSet(options.data, manifest.lineage.seed);
  if (!examples.ok) return examples;
  const { tuning, proving, test } = examples.value;
  const fits = checkExamples(manifest, [tuning, proving, test]);
  if (!fits.ok) return fits;
  const runtime = createOnnxDirectRuntime();
  const { epsilon, delta, loss, method } = options;
  const perClass = options.thresholds === 'per-class';
  const criterion = { bound: { epsilon, delta }, loss, method, perClass };
  const exits = await calibrateVariant(manifest, stages, examples.value, () => criterion, runtime);
  if (!exits.ok) return exits;
  const tested = await runStages(manifest, stages, test, runtime);
  if (!tested.ok) return tested;
  const calibration = {
    variant: variant.digest,
    data: examplesDigest(tuning, proving),
    exits: exits.value,
  };
  const written = await writeResults(folder, bundle.value, calibration, tested.value, options);
  return written.ok ? ok(report(bundle.value, calibration, tested.value, options)) : written;
});

function checkExamples(
  { name, inputs, labels }: Manifest,
  sets: readonly Examples[],
): Result<void> {
  const wanted = inputs[0]?.shape.slice(1).join('×');
  for (const { input, labels: given } of sets) {
    const shape = input.shape.slice(1).join('×');
    if (shape !== wanted)
      return err(failure('invalid_config', `${name} takes ${wanted}, the examples are ${shape}`));
    if (given.length === 0)
      return err(failure('invalid_config', 'there are too few examples to split in three'));
    const unknown = Array.from(given).find((label) => label >= labels.length);
    if (unknown !== undefined)
      return err(
        failure('invalid_config', `${name} has ${labels.length} labels, the data has ${unknown}`),
      );
  }
  return ok(undefined);
}

async function writeResults(
  folder: string,
  bundle: Bundle,
  calibration: Calibration,
  tested: readonly Observed[],
  { svg, write }: Options,
): Promise<Result<void>> {
  const [first] = calibration.exits;
  try {
    if (write === 'yes') await writeManifest(folder, replaced(bundle, calibration, tested));
    if (svg !== undefined)
      await writeFile(
        svg,
        // No one point of the curve is where classes have thresholds of their own.
        riskCoverageSvg(first?.curve ?? [], first?.thresholds ? null : (first?.threshold ?? null)),
      );
    return ok(undefined);
  } catch (thrown) {
    return err(failure('invalid_config', messageOf(thrown)));
  }
}

/** What the old thresholds gave is measured anew: in the card for the first variant, else beside the variant. */
function replaced(
  { manifest, variant }: Bundle,
  calibration: Calibration,
  tested: readonly Observed[],
): Manifest {
  const measured = metricsOf(measureExits(tested, calibration.exits));
  const isFirst = variant.name === manifest.variants[0]?.name;
  const [first] = tested;
  const [rule] = calibration.exits;
  const ofCard = tested.length === 2 && first?.cut && rule ? measure(first, rule) : measured;
  return {
    ...manifest,
    variants: manifest.variants.map((v) =>
      v.name === variant.name
        ? { ...v, calibration, ...(isFirst ? {} : { metrics: measured }) }
        : v,
    ),
    card: isFirst
      ? { ...manifest.card, metrics: { ...manifest.card.metrics, ...ofCard } }
      : manifest.card,
  };
}

function report(
  { manifest, variant }: Bundle,
  { exits }: Calibration,
  tested: readonly Observed[],
  options: Options,
): string {
  const measured = measureExits(tested, exits);
  const { guarantee } = methods[options.method];
  const of = (value: (exit: ExitCalibration) => string): string[] => exits.map(value);
  const metric = (key: keyof NonNullable<ExitCalibration['metrics']>, show = percent) =>
    of(({ metrics }) => (metrics?.[key] === undefined ? '–' : show(metrics[key])));
  const rows = [
    [`${manifest.name} ${variant.name}`, ...of(({ exit }) => `exit ${exit}`)],
    ['temperature', ...of(({ temperature }) => temperature.toFixed(3))],
    [
      'threshold',
      ...of(({ threshold, thresholds }) =>
        thresholds ? 'by class' : (threshold?.toFixed(5) ?? 'escalate everything'),
      ),
    ],
    ...manifest.labels.flatMap((label, c) =>
      exits.some(({ thresholds }) => thresholds)
        ? [[`  where it answers ${label}`, ...of(({ thresholds }) => shown(thresholds?.[c]))]]
        : [],
    ),
    ['answered', ...metric('coverage')],
    ['out of domain', ...metric('outOfDomain')],
    ['risk', ...metric('risk')],
    ['  with its upper bound', ...metric('riskBound')],
    ['calibration error before', ...metric('eceBefore')],
    ['  and after', ...metric('eceAfter')],
    ['area under risk–coverage', ...metric('aurc', (area) => area.toFixed(5))],
    ['  above the best order’s', ...metric('excessAurc', (area) => area.toFixed(5))],
    ['proven on', ...of(({ n }) => `${n} examples`)],
    ['in the test: answered', ...measured.shareAtExit.map(percent)],
    ['  accuracy of all', ...measured.accuracyAtExit.map(percent)],
  ];
  const [first] = exits;
  return [
    table(rows),
    `accuracy end to end ${percent(measured.accuracyEndToEnd)} of ${tested[0]?.labels.length} examples that calibrated nothing`,
    `risk: ${losses[options.loss].meaning}; ε = ${options.epsilon}, δ = ${options.delta}, ${options.method}: ${guarantee}`,
    ...exits.flatMap(({ exit, reason }) =>
      reason === undefined ? [] : [`exit ${exit}: ${reason}`],
    ),
    riskCoveragePlot(first?.curve ?? []),
  ].join('\n');
}

const shown = (threshold: number | null | undefined): string =>
  threshold === undefined ? '' : (threshold?.toFixed(5) ?? 'escalate');
