// The Open Inference Protocol over gRPC: the same server as over REST, behind GRPCInferenceService. A call's deadline
// (grpc-timeout) is what is left for the answer, and a client that cancels has gone.

import {
  Metadata,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServiceError,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import {
  err,
  type Failure,
  type FailureCode,
  failure,
  messageOf,
  ok,
  type Result,
  requestDeadlineMsMax,
} from '@skerry/shared';
import { systemClock, type TlsMaterial } from '@skerry/shared/node';
import { controlModel, modelMetadata, serverMetadata } from '../../open-inference/rest.ts';
import {
  findModel,
  inferServed,
  type OpenInferenceServer,
} from '../../open-inference/served-model.ts';
import { grpcMethods, type Method, methodNames, type Plain } from './grpc-methods.ts';
import { readInferRequest, writeInferResponse } from './infer-messages.ts';

export interface GrpcListening {
  readonly port: number;
  /** Lets what is under way finish for a moment. */
  close(): Promise<void>;
}

export interface GrpcOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Of one message. */
  readonly bodyBytesMax: number;
  /** Without it the traffic can be read. */
  readonly tls?: TlsMaterial | undefined;
  /** Judges a call by its `authorization`; whether the server is alive and ready is told without. */
  readonly check?: (authorization: string | undefined) => Result<void>;
}

const graceMs = 500;
const openMethods: ReadonlySet<Method> = new Set<Method>(['ServerLive', 'ServerReady']);

type Handler = (request: Plain, call: ServerUnaryCall<Plain, Plain>) => Promise<Result<Plain>>;

/** Fails with `unavailable` where the address cannot be had. */
export async function serveGrpc(
  server: OpenInferenceServer,
  { host, port, bodyBytesMax, tls, check = () => ok(undefined) }: GrpcOptions,
): Promise<Result<GrpcListening>> {
  const grpc = new Server({ 'grpc.max_receive_message_length': bodyBytesMax });
  grpc.addService(grpcMethods, implementationOf(handlersOf(server), check));
  const credentials = tls
    ? ServerCredentials.createSsl(null, [
        { cert_chain: Buffer.from(tls.cert), private_key: Buffer.from(tls.key) },
      ])
    : ServerCredentials.createInsecure();
  const address = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  const bound = await new Promise<Result<number>>((resolve) => {
    grpc.bindAsync(address, credentials, (error, at) =>
      resolve(error ? err(failure('unavailable', `gRPC on ${address}: ${error.message}`)) : ok(at)),
    );
  });
  if (!bound.ok) return bound;
  return ok({
    port: bound.value,
    close: () =>
      new Promise((resolve) => {
        const timer = systemClock.after(graceMs, () => grpc.forceShutdown());
        grpc.tryShutdown(() => {
          timer.cancel();
          resolve();
        });
      }),
  });
}

function handlersOf(server: OpenInferenceServer): Readonly<Record<Method, Handler>> {
  const modelOf = ({ name, version }: Plain) =>
    findModel(server, textOf(name), textOf(version) || undefined);
  const control =
    (action: 'load' | 'unload', done: string): Handler =>
    async ({ first, second }) => {
      const name = textOf(second) || textOf(first);
      const changed = await controlModel(server, name, action);
      return changed.ok ? ok({ modelName: name, [done]: true }) : changed;
    };
  return {
    ServerLive: async () => ok({ live: true }),
    ServerReady: async () => ok({ ready: server.ready() }),
    async ModelReady(request) {
      const model = modelOf(request);
      return model.ok ? ok({ ready: model.value.ready() }) : model;
    },
    ServerMetadata: async () => ok(serverMetadata(server)),
    async ModelMetadata(request) {
      const model = modelOf(request);
      if (!model.ok) return model;
      const { properties: _, ...metadata } = modelMetadata(server, model.value);
      return ok(metadata);
    },
    ModelInfer: (request, call) => infer(server, request, call),
    RepositoryModelLoad: control('load', 'isLoaded'),
    RepositoryModelUnload: control('unload', 'isUnloaded'),
  };
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

async function infer(
  server: OpenInferenceServer,
  message: Plain,
  call: ServerUnaryCall<Plain, Plain>,
): Promise<Result<Plain>> {
  const { modelName, modelVersion } = message;
  const model = findModel(server, textOf(modelName), textOf(modelVersion) || undefined);
  if (!model.ok) return model;
  const request = readInferRequest(message);
  if (!request.ok) return request;
  const gone = new AbortController();
  call.on('cancelled', () => gone.abort());
  const deadlineLeftMs = leftMsOf(call);
  const answer = await inferServed(model.value, request.value, {
    signal: () => gone.signal,
    ...(deadlineLeftMs === undefined ? {} : { deadlineLeftMs }),
  });
  if (!answer.ok) return answer;
  const { id, raw } = request.value;
  return ok(writeInferResponse(model.value.description, id, answer.value, raw));
}

function leftMsOf(call: ServerUnaryCall<Plain, Plain>): number | undefined {
  const atMs = Number(call.getDeadline());
  if (!Number.isFinite(atMs)) return undefined;
  return Math.min(requestDeadlineMsMax, Math.max(0, atMs - systemClock.nowMs()));
}

/** google.rpc codes; what may be tried again is UNAVAILABLE, as Triton has it for a full queue. */
const statusByCode: Partial<Record<FailureCode, status>> = {
  invalid_argument: status.INVALID_ARGUMENT,
  invalid_tensor: status.INVALID_ARGUMENT,
  too_large: status.INVALID_ARGUMENT,
  unauthenticated: status.UNAUTHENTICATED,
  permission_denied: status.PERMISSION_DENIED,
  not_found: status.NOT_FOUND,
  model_not_found: status.NOT_FOUND,
  overloaded: status.UNAVAILABLE,
  unavailable: status.UNAVAILABLE,
  deadline_exceeded: status.DEADLINE_EXCEEDED,
  unsupported_version: status.UNIMPLEMENTED,
};

function serviceError({ code, message, retryAfterMs }: Failure): Partial<ServiceError> {
  const metadata = new Metadata();
  // gRPC proposal A6: how long a client is to wait before it tries again.
  if (retryAfterMs !== undefined)
    metadata.set('grpc-retry-pushback-ms', String(Math.ceil(retryAfterMs)));
  return { code: statusByCode[code] ?? status.INTERNAL, details: message, metadata };
}

function implementationOf(
  handlers: Readonly<Record<Method, Handler>>,
  check: NonNullable<GrpcOptions['check']>,
): UntypedServiceImplementation {
  const implementation: UntypedServiceImplementation = {};
  for (const method of methodNames)
    implementation[method] = (
      call: ServerUnaryCall<Plain, Plain>,
      reply: (error: Partial<ServiceError> | null, value?: Plain) => void,
    ): void => {
      const [authorization] = call.metadata.get('authorization');
      const checked = openMethods.has(method) ? ok(undefined) : check(authorization?.toString());
      const answered = checked.ok ? handlers[method](call.request, call) : Promise.resolve(checked);
      answered
        .catch((thrown) => err(failure('internal', messageOf(thrown))))
        .then(
          (result) => (result.ok ? reply(null, result.value) : reply(serviceError(result.error))),
          () => reply(serviceError(failure('internal', 'no reply'))),
        );
    };
  return implementation;
}
