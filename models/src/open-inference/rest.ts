// The Open Inference Protocol v2 over REST, from a Request to a Response: the one piece of code behind the routes of the
// device and of the coordinator.
// https://github.com/kserve/open-inference-protocol · Triton: binary data, model repository, statistics

import { err, failure, ok, parseJson, type Result } from '@skerry/shared';
import { z } from 'zod';
import { chooseCoding, decodeContent, encodeContent } from './content-encoding.ts';
import { parseInferRequest } from './request.ts';
import { encodeInferResponse } from './response.ts';
import {
  findModel,
  inferServed,
  modelNames,
  type OpenInferenceServer,
  type ServedModel,
  versionsOf,
} from './served-model.ts';
import { describeStatistics } from './statistics.ts';

/** @param path behind `/v2`, still percent-encoded */
export type RestHandler = (request: Request, path: string) => Promise<Result<Response>>;

export const headerLengthName = 'Inference-Header-Content-Length';
const restExtensions = ['binary_tensor_data', 'model_repository', 'statistics'];
const notReadyStatus = 503;

/** @param bodyBytesMax of a request, inflated */
export function createRestHandler(server: OpenInferenceServer, bodyBytesMax: number): RestHandler {
  return async (request, path) => {
    const segments = segmentsOf(path);
    if (!segments.ok) return segments;
    const [first, ...rest] = segments.value;
    const isGet = request.method === 'GET' || request.method === 'HEAD';
    if (first === undefined && isGet) return json(serverMetadata(server));
    if (first === 'health' && isGet) return health(server, rest);
    if (first === 'models' && isGet) return readModels(server, rest);
    if (first === 'models' && request.method === 'POST' && rest.at(-1) === 'infer') {
      const model = modelAt(server, rest.slice(0, -1));
      return model.ok ? infer(model.value, request, bodyBytesMax) : model;
    }
    if (first === 'repository' && request.method === 'POST') return control(server, rest, request);
    return noSuchPath(path);
  };
}

const json = (value: unknown, status = 200): Result<Response> =>
  ok(Response.json(value, { status }));

const noSuchPath = (path: string): Result<never> =>
  err(failure('not_found', `no such path: /v2${path}`));

function segmentsOf(path: string): Result<string[]> {
  try {
    return ok(path.split('/').filter(Boolean).map(decodeURIComponent));
  } catch {
    return err(failure('invalid_argument', 'the path is not percent-encoded UTF-8'));
  }
}

export const serverMetadata = ({ name, version, extensions }: OpenInferenceServer) => ({
  name,
  version,
  extensions: [...restExtensions, ...extensions],
});

function health(server: OpenInferenceServer, rest: readonly string[]): Result<Response> {
  const what = rest.join('/');
  if (what === 'live') return json({ live: true });
  const ready = server.ready();
  return what === 'ready'
    ? json({ ready }, ready ? 200 : notReadyStatus)
    : noSuchPath(`/health/${what}`);
}

/** `[name]` or `[name, 'versions', version]`. */
function modelAt(server: OpenInferenceServer, segments: readonly string[]): Result<ServedModel> {
  const [name = '', versions, version, ...more] = segments;
  if (versions === undefined) return findModel(server, name);
  if (versions === 'versions' && version !== undefined && more.length === 0)
    return findModel(server, name, version);
  return noSuchPath(`/models/${segments.join('/')}`);
}

function readModels(server: OpenInferenceServer, rest: readonly string[]): Result<Response> {
  if (rest.length === 0) return json({ models: modelNames(server) });
  const last = rest.at(-1);
  if (rest.length === 1 && last === 'stats') return json(statisticsOf(server.models()));
  if (last === 'stats') return withModel(server, rest, (model) => json(statisticsOf([model])));
  if (last === 'ready' && rest.length > 1)
    return withModel(server, rest, (model) => {
      const ready = model.ready();
      return json({ name: model.description.name, ready }, ready ? 200 : notReadyStatus);
    });
  const model = modelAt(server, rest);
  return model.ok ? json(modelMetadata(server, model.value)) : model;
}

function withModel(
  server: OpenInferenceServer,
  rest: readonly string[],
  reply: (model: ServedModel) => Result<Response>,
): Result<Response> {
  const model = modelAt(server, rest.slice(0, -1));
  return model.ok ? reply(model.value) : model;
}

export function modelMetadata(server: OpenInferenceServer, { description }: ServedModel) {
  const { name, platform, inputs, outputs, properties } = description;
  return { name, versions: versionsOf(server, name), platform, inputs, outputs, properties };
}

const statisticsOf = (models: readonly ServedModel[]) => ({
  model_stats: models.map(({ description: { name, version }, statistics }) =>
    describeStatistics(name, version, statistics.read()),
  ),
});

async function infer(
  model: ServedModel,
  http: Request,
  bodyBytesMax: number,
): Promise<Result<Response>> {
  const { name, version, inputs } = model.description;
  const header = (key: string): string | undefined => http.headers.get(key) ?? undefined;
  const sent = new Uint8Array(await http.arrayBuffer());
  const body = await decodeContent(sent, header('content-encoding'), bodyBytesMax);
  if (!body.ok) return body;
  const request = parseInferRequest(body.value, header(headerLengthName), inputs);
  if (!request.ok) return request;
  const answer = await inferServed(model, request.value, { signal: () => http.signal });
  if (!answer.ok) return answer;
  const { id, binary } = request.value;
  const encoded = encodeInferResponse(
    {
      modelName: name,
      modelVersion: version,
      ...(id === undefined ? {} : { id }),
      ...answer.value,
    },
    binary,
  );
  if (!encoded.ok) return encoded;
  const { contentType, headerLength } = encoded.value;
  const headers: Record<string, string> = { 'content-type': contentType };
  if (headerLength !== undefined) headers[headerLengthName] = String(headerLength);
  const plain = encoded.value.body as Uint8Array<ArrayBuffer>;
  const coding = chooseCoding(header('accept-encoding'), plain.byteLength);
  if (coding === undefined) return ok(new Response(plain, { headers }));
  headers['content-encoding'] = coding;
  return ok(new Response(await encodeContent(plain, coding), { headers }));
}

const indexSchema = z.looseObject({ ready: z.boolean().optional() });

/** Triton's model repository extension: `index`, and `models/NAME/load` or `unload`. */
async function control(
  server: OpenInferenceServer,
  rest: readonly string[],
  http: Request,
): Promise<Result<Response>> {
  const [first, name, action, ...more] = rest;
  if (first === 'index' && name === undefined) {
    const asked = await readIndexRequest(http);
    return asked.ok ? json(repositoryIndex(server, asked.value)) : asked;
  }
  const known = action === 'load' || action === 'unload';
  if (first !== 'models' || name === undefined || !known || more.length > 0)
    return noSuchPath(`/repository/${rest.join('/')}`);
  const done = await controlModel(server, name, action);
  return done.ok ? json({ name, [action]: true }) : done;
}

/** Fails with `permission_denied` where the models are fixed. */
export async function controlModel(
  server: OpenInferenceServer,
  name: string,
  action: 'load' | 'unload',
): Promise<Result<void>> {
  if (server.repository === undefined)
    return err(failure('permission_denied', 'models are loaded at start alone: --model-control'));
  return server.repository[action](name);
}

async function readIndexRequest(http: Request): Promise<Result<boolean>> {
  const body = new Uint8Array(await http.arrayBuffer());
  if (body.byteLength === 0) return ok(false);
  const read = parseJson(body, 'the request');
  if (!read.ok) return read;
  const asked = indexSchema.safeParse(read.value);
  return asked.success
    ? ok(asked.data.ready === true)
    : err(failure('invalid_argument', 'expected {"ready": boolean}'));
}

function repositoryIndex(server: OpenInferenceServer, readyOnly: boolean) {
  return server
    .models()
    .map((model) => ({
      name: model.description.name,
      version: model.description.version,
      state: model.ready() ? 'READY' : 'UNAVAILABLE',
      reason: model.ready() ? '' : 'unloaded',
    }))
    .filter(({ state }) => !readyOnly || state === 'READY');
}
