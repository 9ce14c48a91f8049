export { type LabelledImages, readMnist } from './mnist.ts';
