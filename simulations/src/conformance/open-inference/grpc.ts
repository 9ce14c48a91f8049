// A client of GRPCInferenceService that tells of an answer and of an error alike.

import { Client, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { grpcMethods, type Method, type Plain } from '@skerry/models/grpc';

export interface GrpcReply {
  /** A name of google.rpc.Code. */
  readonly status: string;
  readonly details: string;
  readonly message: Plain;
}

export interface GrpcClient {
  call(method: Method, request: Plain, timeoutMs?: number): Promise<GrpcReply>;
  /** Calls, and cancels before there can be an answer. */
  cancelled(method: Method, request: Plain): Promise<GrpcReply>;
  close(): void;
}

const defaultTimeoutMs = 30_000;

export interface GrpcSecurity {
  /** Shown with each call. */
  readonly authorization?: string | undefined;
  /** TLS, and whom the server's certificate must come from, in PEM; without it the traffic can be read. */
  readonly authority?: string | undefined;
}

export function createGrpcClient(
  address: string,
  { authorization, authority }: GrpcSecurity = {},
): GrpcClient {
  const metadata = new Metadata();
  if (authorization !== undefined) metadata.set('authorization', authorization);
  const client = new Client(
    address,
    authority === undefined
      ? credentials.createInsecure()
      : credentials.createSsl(Buffer.from(authority)),
  );
  const start = (
    method: Method,
    request: Plain,
    timeoutMs: number,
    done: (reply: GrpcReply) => void,
  ) => {
    const { path, requestSerialize, responseDeserialize } = grpcMethods[method];
    const options = { deadline: Date.now() + timeoutMs };
    const answered = (error: ServiceError | null, message: Plain = {}): void =>
      done({
        status: status[error?.code ?? status.OK],
        details: error?.details ?? '',
        message,
      });
    return client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      metadata,
      options,
      answered,
    );
  };
  return {
    call: (method, request, timeoutMs = defaultTimeoutMs) =>
      new Promise((resolve) => {
        start(method, request, timeoutMs, resolve);
      }),
    cancelled: (method, request) =>
      new Promise((resolve) => {
        const call = start(method, request, defaultTimeoutMs, resolve);
        setImmediate(() => call.cancel());
      }),
    close: () => client.close(),
  };
}
