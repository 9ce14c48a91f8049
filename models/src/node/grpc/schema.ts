// The messages of the Open Inference Protocol's GRPCInferenceService, by the field numbers of its specification.
// https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/open_inference_grpc.proto
// Load and unload are KServe's and Triton's extension, which number their fields differently: `first` is KServe's
// model_name, or Triton's repository_name, and `second` Triton's model_name.

const tensor = (name: string): string => `message ${name} {
  string name = 1; string datatype = 2; repeated int64 shape = 3;
  map<string, InferParameter> parameters = 4; InferTensorContents contents = 5;
}`;

export const openInferenceSchema = `
syntax = "proto3";
package inference;

message ServerLiveRequest {}
message ServerLiveResponse { bool live = 1; }
message ServerReadyRequest {}
message ServerReadyResponse { bool ready = 1; }
message ModelReadyRequest { string name = 1; string version = 2; }
message ModelReadyResponse { bool ready = 1; }
message ServerMetadataRequest {}
message ServerMetadataResponse { string name = 1; string version = 2; repeated string extensions = 3; }
message ModelMetadataRequest { string name = 1; string version = 2; }
message ModelMetadataResponse {
  message TensorMetadata { string name = 1; string datatype = 2; repeated int64 shape = 3; }
  string name = 1; repeated string versions = 2; string platform = 3;
  repeated TensorMetadata inputs = 4; repeated TensorMetadata outputs = 5;
}
message InferParameter {
  oneof parameter_choice {
    bool bool_param = 1; int64 int64_param = 2; string string_param = 3;
    double double_param = 4; uint64 uint64_param = 5;
  }
}
message InferTensorContents {
  repeated bool bool_contents = 1; repeated int32 int_contents = 2; repeated int64 int64_contents = 3;
  repeated uint32 uint_contents = 4; repeated uint64 uint64_contents = 5; repeated float fp32_contents = 6;
  repeated double fp64_contents = 7; repeated bytes bytes_contents = 8;
}
message ModelInferRequest {
  ${tensor('InferInputTensor')}
  message InferRequestedOutputTensor { string name = 1; map<string, InferParameter> parameters = 2; }
  string model_name = 1; string model_version = 2; string id = 3; map<string, InferParameter> parameters = 4;
  repeated InferInputTensor inputs = 5; repeated InferRequestedOutputTensor outputs = 6;
  repeated bytes raw_input_contents = 7;
}
message ModelInferResponse {
  ${tensor('InferOutputTensor')}
  string model_name = 1; string model_version = 2; string id = 3; map<string, InferParameter> parameters = 4;
  repeated InferOutputTensor outputs = 5; repeated bytes raw_output_contents = 6;
}
message RepositoryModelLoadRequest { string first = 1; string second = 2; }
message RepositoryModelLoadResponse { string model_name = 1; bool is_loaded = 2; }
message RepositoryModelUnloadRequest { string first = 1; string second = 2; }
message RepositoryModelUnloadResponse { string model_name = 1; bool is_unloaded = 2; }
`;
