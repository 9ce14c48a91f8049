// gRPC for who asks for it: a process that does not never loads its library.

import { ok, type Result } from '@skerry/shared';
import type { OpenInferenceServer } from '../open-inference/served-model.ts';
import type { GrpcListening, GrpcOptions } from './grpc/serve-grpc.ts';

/** Undefined where no port is given. Fails with `unavailable` where the address cannot be had. */
export async function openGrpc(
  server: OpenInferenceServer,
  { port, ...options }: Omit<GrpcOptions, 'port'> & { readonly port: number | undefined },
): Promise<Result<GrpcListening | undefined>> {
  if (port === undefined) return ok(undefined);
  const { serveGrpc } = await import('./grpc/serve-grpc.ts');
  return serveGrpc(server, { ...options, port });
}
