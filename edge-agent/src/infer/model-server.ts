// The device's models, of every task, as one Open Inference Protocol server.

import type { OpenInferenceServer, ServedModel } from '@skerry/models/open-inference';
import { err, failure, ok, type Result } from '@skerry/shared';

export interface DeviceModel {
  readonly served: ServedModel;
  load(): Promise<Result<void>>;
  unload(): Promise<void>;
}

/** @param control whether whoever reaches the local API may load and unload */
export function createModelServer(
  version: string,
  models: () => readonly DeviceModel[],
  control: 'none' | 'explicit',
): OpenInferenceServer {
  const change = async (
    name: string,
    apply: (model: DeviceModel) => Promise<Result<void>>,
  ): Promise<Result<void>> => {
    const model = models().find(({ served: { description } }) => description.name === name);
    return model === undefined
      ? err(failure('model_not_found', `Model with name ${name} does not exist.`))
      : apply(model);
  };
  const repository = {
    load: (name: string) => change(name, (model) => model.load()),
    unload: (name: string) =>
      change(name, async (model) => {
        await model.unload();
        return ok(undefined);
      }),
  };
  return {
    name: 'skerry',
    version,
    extensions: [],
    ready: () => models().every(({ served }) => served.ready()),
    models: () => models().map(({ served }) => served),
    ...(control === 'explicit' ? { repository } : {}),
  };
}
