// All models that this coordinator hosts, every version and variant, and their coming and going while others ask them.

import type { Bundle } from '@skerry/models/node';
import type { OpenInferenceServer } from '@skerry/models/open-inference';
import { err, failure, ok, type Result, sleep } from '@skerry/shared';
import type { CloudHalf } from './cloud-half.ts';
import {
  type HostedModel,
  type HostLimits,
  type HostPorts,
  openHostedModel,
} from './hosted-model.ts';

import type { RunHere } from './upstreams/embedded-upstream.ts';

export interface ModelHost {
  readonly server: OpenInferenceServer;
  halves(): readonly CloudHalf[];
  /** By what it is asked as. */
  has(model: string): boolean;
  /** In this process, whoever else has the model. */
  readonly runHere: RunHere;
  /** Rows that wait for a model, by what it is asked as. */
  waiting(): ReadonlyMap<string, number>;
  close(): Promise<void>;
}

export interface ModelHostConfig {
  readonly limitsOf: (model: string) => HostLimits;
  /** Models that have settings of their own: each must be here at start. */
  readonly named: readonly string[];
  readonly version: string;
  readonly modelControl: 'none' | 'explicit';
}

export interface ModelHostPorts extends HostPorts {
  /** All bundles as they lie on disk now. */
  readBundles(): Promise<Result<readonly Bundle[]>>;
  ready(): boolean;
}

/** How long one whose place another has taken may take to answer what it was asked before. */
const retireMsMax = 30_000;

/** All models, or the Failure of the first that cannot run; `invalid_config` where a model is named that is not here. */
export async function openModelHost(
  bundles: readonly Bundle[],
  config: ModelHostConfig,
  ports: ModelHostPorts,
): Promise<Result<ModelHost>> {
  const stranger = config.named.find((name) => bundles.every((b) => b.manifest.name !== name));
  if (stranger !== undefined)
    return err(failure('invalid_config', `modelServing: no model '${stranger}' here`));
  const opened = await openAll(bundles, config.limitsOf, ports);
  if (!opened.ok) return opened;
  let hosted = opened.value;
  const named = (name: string): readonly HostedModel[] =>
    hosted.filter((model) => model.name === name);
  const unknown = (name: string) =>
    err(failure('model_not_found', `Model with name ${name} does not exist.`));
  /** Of several variants of one version, clients are served the first. */
  const shown = (): HostedModel[] =>
    hosted.filter(
      (model, i) =>
        hosted.findIndex((m) => m.name === model.name && m.version === model.version) === i,
    );

  const at = (name: string): HostedModel | undefined =>
    shown().find(({ entries }) => entries.some(({ served }) => served.description.name === name));

  const load = async (name: string): Promise<Result<void>> => {
    const read = await ports.readBundles();
    if (!read.ok) return read;
    const found = read.value.filter(({ manifest }) => manifest.name === name);
    if (found.length === 0) return unknown(name);
    const fresh = await openAll(found, config.limitsOf, ports);
    if (!fresh.ok) return fresh;
    const before = named(name);
    hosted = [...hosted.filter((model) => model.name !== name), ...fresh.value];
    await Promise.all(before.map(retire));
    return ok(undefined);
  };
  const retire = async (model: HostedModel): Promise<void> => {
    const waiting = new AbortController();
    await Promise.race([model.idle(), sleep(ports.clock, retireMsMax, waiting.signal)]);
    waiting.abort();
    await model.close();
  };
  const unload = async (name: string): Promise<Result<void>> => {
    const models = named(name);
    if (models.length === 0) return unknown(name);
    await Promise.all(models.map((model) => model.unload()));
    return ok(undefined);
  };

  return ok({
    server: {
      name: 'skerry-coordinator',
      version: config.version,
      extensions: ['schedule_policy'],
      ready: ports.ready,
      models: () => shown().flatMap(({ entries }) => entries.map(({ served }) => served)),
      ...(config.modelControl === 'explicit' ? { repository: { load, unload } } : {}),
    },
    halves: () => hosted.flatMap(({ half }) => (half === undefined ? [] : [half])),
    has: (name) => at(name) !== undefined,
    async runHere(name, feeds) {
      const model = at(name);
      return model === undefined ? unknown(name) : model.runHere(name, feeds);
    },
    waiting() {
      const rows = new Map<string, number>();
      for (const { served, waiting } of hosted.flatMap(({ entries }) => entries)) {
        const { name } = served.description;
        rows.set(name, (rows.get(name) ?? 0) + waiting());
      }
      return rows;
    },
    async close() {
      await Promise.all(hosted.map((model) => model.close()));
    },
  });
}

async function openAll(
  bundles: readonly Bundle[],
  limitsOf: ModelHostConfig['limitsOf'],
  ports: HostPorts,
): Promise<Result<readonly HostedModel[]>> {
  const models: HostedModel[] = [];
  for (const bundle of bundles) {
    const { name, version } = bundle.manifest;
    const isFirst = !models.some((model) => model.name === name && model.version === version);
    const held = isFirst ? bundle : cloudOnly(bundle);
    const model = await openHostedModel(held, limitsOf(name), ports);
    if (!model.ok) {
      await Promise.all(models.map((opened) => opened.close()));
      return model;
    }
    models.push(model.value);
  }
  return ok(models);
}

/** Of another variant of the same version only devices ask, and they have its other stages. */
function cloudOnly(bundle: Bundle): Bundle {
  const sides = new Map(bundle.manifest.stages.map(({ name, side }) => [name, side]));
  const cloud = [...bundle.stages].filter(([name]) => sides.get(name) === 'cloud');
  return cloud.length === 0 ? bundle : { ...bundle, stages: new Map(cloud) };
}
