import { trainerContract } from '../testing/trainer-contract.ts';
import { trainableOf } from './network-trainable.ts';
import { createOnnxTrainer } from './onnx-trainer.ts';

trainerContract('onnx', (network) => createOnnxTrainer(trainableOf(network)));
