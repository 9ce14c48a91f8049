export { grpcMethods, type Method, type Plain } from './grpc-methods.ts';
export { type GrpcListening, type GrpcOptions, serveGrpc } from './serve-grpc.ts';
