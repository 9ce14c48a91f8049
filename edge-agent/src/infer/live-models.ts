// The device's models, each behind its name. What answers under a name may change between two requests: a request that is
// under way ends on the model that it began with, for it holds it, and who comes next gets the other.

import { executionProperties, goldenSamples, type Residency, type Runtime } from '@skerry/models';
import type { Bundle } from '@skerry/models/node';
import { createModelStatistics } from '@skerry/models/open-inference';
import {
  type Clock,
  err,
  failure,
  type Log,
  messageOf,
  ok,
  type Result,
  requestDeadlineMsMax,
  type Timer,
} from '@skerry/shared';
import type { Admission } from './admission.ts';
import type { Inference } from './inference.ts';
import { loadModel, type Model, selfTest } from './model.ts';
import type { DeviceModel } from './model-server.ts';
import { countRuns, serveClassifier } from './served-classifier.ts';
import { openTensorModel, type TensorModel } from './tensor-model.ts';

/** A bundle that is loaded and has passed its golden inputs on this hardware; it answers nobody before it is served. */
export interface LoadedModel {
  readonly bundle: Bundle;
  readonly model: Model;
  readonly device: DeviceModel;
}

export interface LiveModels {
  /** By name; what `serve` changes. */
  readonly classifiers: ReadonlyMap<string, Model>;
  bundles(): readonly Bundle[];
  devices(): readonly DeviceModel[];
  /** Whoever was loaded last as this version, while it is loaded. */
  loaded(name: string, version: string): Model | undefined;
  /** Of a version that has answered in this life, or does. */
  labelsOf(name: string, version: string): readonly string[] | undefined;
  /** Fails as `loadModel` and `selfTest` do. */
  open(bundle: Bundle): Promise<Result<LoadedModel>>;
  /** From the next request on. Returns what answered until now. */
  serve(loaded: LoadedModel): LoadedModel | undefined;
  /** Unloads it, once nobody can be waiting for it. */
  retire(loaded: LoadedModel): void;
  /** One that is not updated: tensors in, tensors out. */
  openTensorModel(bundle: Bundle): Promise<Result<void>>;
  close(): Promise<void>;
}

export interface LiveModelsPorts {
  readonly createRuntime: () => Runtime;
  readonly residency: Residency;
  readonly admission: Admission;
  readonly inference: () => Pick<Inference, 'infer'>;
  readonly clock: Clock;
  readonly log: Log;
}

/** Versions whose labels are remembered, of all models. */
const labelsKeptMax = 64;

export function createLiveModels(
  options: { readonly threads: number; readonly deadlineMs: number },
  ports: LiveModelsPorts,
): LiveModels {
  const { createRuntime, residency, admission, clock, log } = ports;
  const stageOptions = { ...options, residency };
  const classifiers = new Map<string, Model>();
  const live = new Map<string, LoadedModel>();
  const tensorModels = new Map<string, { readonly bundle: Bundle; readonly model: TensorModel }>();
  const labels = new Map<string, readonly string[]>();
  const versions = new Map<string, Model>();
  const retiring = new Map<LoadedModel, Timer>();

  const end = async (loaded: LoadedModel): Promise<void> => {
    retiring.get(loaded)?.cancel();
    retiring.delete(loaded);
    const { name, version } = loaded.bundle.manifest;
    const key = `${name} ${version}`;
    if (versions.get(key) === loaded.model) versions.delete(key);
    try {
      await loaded.model.unload();
    } catch (thrown) {
      log.error({ model: name, version, reason: messageOf(thrown) }, 'it could not be unloaded');
    }
  };

  return {
    classifiers,
    bundles: () => [...live.values(), ...tensorModels.values()].map(({ bundle }) => bundle),
    devices: () => [
      ...[...live.values()].map(({ device }) => device),
      ...[...tensorModels.values()].map(({ model }) => model),
    ],
    loaded: (name, version) => versions.get(`${name} ${version}`),
    labelsOf: (name, version) => labels.get(`${name} ${version}`),

    async open(bundle) {
      const { name, version } = bundle.manifest;
      const samples = () => goldenSamples(bundle.manifest);
      const model = await loadModel(bundle, createRuntime, { ...stageOptions, samples });
      if (!model.ok) return model;
      const tested = await selfTest(model.value);
      if (!tested.ok) {
        await model.value.unload();
        return tested;
      }
      const digest = bundle.variant.digest;
      const provided = executionProperties(model.value.executions());
      log.info(
        { model: name, version, variant: digest, golden: tested.value, ...provided },
        'model loaded',
      );
      const statistics = createModelStatistics();
      const counted = countRuns(model.value, statistics, clock);
      versions.set(`${name} ${version}`, counted);
      const inference: Pick<Inference, 'infer'> = {
        infer: (request) => ports.inference().infer(request),
      };
      const served = serveClassifier(counted, inference, statistics, clock);
      return ok({ bundle, model: counted, device: { ...counted, served } });
    },

    serve(loaded) {
      const { name, version } = loaded.bundle.manifest;
      retiring.get(loaded)?.cancel();
      retiring.delete(loaded);
      const before = live.get(name);
      live.set(name, loaded);
      classifiers.set(name, loaded.model);
      labels.set(`${name} ${version}`, loaded.bundle.manifest.labels);
      const [oldest] = labels.keys();
      if (labels.size > labelsKeptMax && oldest !== undefined) labels.delete(oldest);
      return before === loaded ? undefined : before;
    },

    retire(loaded) {
      if (retiring.has(loaded)) return;
      retiring.set(
        loaded,
        clock.after(requestDeadlineMsMax, () => void end(loaded)),
      );
    },

    async openTensorModel(bundle) {
      const { name } = bundle.manifest;
      const ports = { createRuntime, admission, clock };
      const model = await openTensorModel(bundle, stageOptions, ports);
      if (!model.ok) return model;
      tensorModels.set(name, { bundle, model: model.value });
      return ok(undefined);
    },

    async close() {
      await Promise.all([...retiring.keys()].map(end));
      await Promise.all([...live.values()].map(({ model }) => model.unload()));
      await Promise.all([...tensorModels.values()].map(({ model }) => model.unload()));
    },
  };
}

/** Of bundles that the device was configured with: no two may have one name. */
export function checkNames(bundles: readonly Bundle[]): Result<void> {
  const names = bundles.map(({ manifest }) => manifest.name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  return twice === undefined
    ? ok(undefined)
    : err(failure('invalid_config', `two bundles are named ${twice}`));
}
