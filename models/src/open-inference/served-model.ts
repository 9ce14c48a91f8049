// The port between the Open Inference Protocol, over REST or gRPC, and whatever answers: a device's models with their
// decisions, a coordinator's with their batches. What any model must check of a request is checked here, once.

import { err, failure, ok, type Result } from '@skerry/shared';
import { checkTensor, type TensorMap, type TensorSpec } from '../tensor.ts';
import type { Parameters } from './parameters.ts';
import type { InferRequest } from './request.ts';
import type { ModelStatistics } from './statistics.ts';

export interface ModelDescription {
  readonly name: string;
  readonly version: string;
  readonly platform: string;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  readonly properties: Readonly<Record<string, string>>;
}

/** Who asks: how long they wait, and whether they still do. */
export interface Caller {
  /** Aborts when the caller has gone; asked for only where somebody waits. */
  signal(): AbortSignal;
  /** What is left of a deadline that the transport carries. */
  readonly deadlineLeftMs?: number;
}

export interface ServedAnswer {
  readonly outputs: TensorMap;
  readonly parameters: Parameters;
}

export interface ServedModel {
  readonly description: ModelDescription;
  /** Whether a request would find it loaded, its workers alive. */
  ready(): boolean;
  /**
   * `request` has been held against the description. Fails with `unavailable` while it is unloaded, but not because a
   * worker is dead, for a run is what starts another; with `overloaded` where too many wait.
   */
  infer(request: InferRequest, caller: Caller): Promise<Result<ServedAnswer>>;
  readonly statistics: Pick<ModelStatistics, 'read'>;
}

/** Load and unload while the server runs; absent where models are fixed. */
export interface ModelRepository {
  load(model: string): Promise<Result<void>>;
  unload(model: string): Promise<Result<void>>;
}

export interface OpenInferenceServer {
  readonly name: string;
  readonly version: string;
  /** Beside those that the handler itself brings. */
  readonly extensions: readonly string[];
  ready(): boolean;
  /** Every version of every model, loaded or not; of one name the last is what a request without a version means. */
  models(): readonly ServedModel[];
  readonly repository?: ModelRepository;
}

/** Fails with `model_not_found`. */
export function findModel(
  server: OpenInferenceServer,
  name: string,
  version?: string,
): Result<ServedModel> {
  const found = server
    .models()
    .findLast(
      ({ description }) =>
        description.name === name && (version ?? description.version) === description.version,
    );
  if (found !== undefined) return ok(found);
  const wanted = version === undefined ? name : `${name} version ${version}`;
  return err(failure('model_not_found', `Model with name ${wanted} does not exist.`));
}

export const modelNames = (server: OpenInferenceServer): string[] => [
  ...new Set(server.models().map(({ description }) => description.name)),
];

export const versionsOf = (server: OpenInferenceServer, name: string): string[] =>
  server
    .models()
    .filter(({ description }) => description.name === name)
    .map(({ description }) => description.version);

/** What `infer` of a model relies on, then its answer, with the outputs that were asked for in that order. */
export async function inferServed(
  model: ServedModel,
  request: InferRequest,
  caller: Caller,
): Promise<Result<ServedAnswer>> {
  const { name } = model.description;
  const checked = checkRequest(model.description, request);
  if (!checked.ok) return checked;
  const answer = await model.infer(request, caller);
  if (!answer.ok || request.outputs === undefined) return answer;
  const outputs: Record<string, TensorMap[string]> = {};
  for (const wanted of request.outputs) {
    const tensor = answer.value.outputs[wanted];
    if (tensor === undefined)
      return err(failure('runtime_failed', `model ${name} gave no output '${wanted}'`));
    outputs[wanted] = tensor;
  }
  return ok({ ...answer.value, outputs });
}

function checkRequest(
  { name, inputs, outputs }: ModelDescription,
  request: InferRequest,
): Result<void> {
  const invalid = (message: string) => err(failure('invalid_argument', `model ${name} ${message}`));
  for (const spec of inputs) {
    const tensor = request.inputs[spec.name];
    if (tensor === undefined) return invalid(`takes input '${spec.name}'`);
    const fits = checkTensor(spec, tensor);
    if (!fits.ok) return fits;
  }
  const stranger = Object.keys(request.inputs).find((key) => !inputs.some((i) => i.name === key));
  if (stranger !== undefined) return invalid(`takes no input '${stranger.slice(0, 64)}'`);
  const unknown = request.outputs?.find((key) => !outputs.some((o) => o.name === key));
  if (unknown !== undefined) return invalid(`has no output '${unknown.slice(0, 64)}'`);
  return ok(undefined);
}
