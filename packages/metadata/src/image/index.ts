export { ImageError } from './errors.ts';
export { END_MARKER, parseSignature, type SectionKind } from './format.ts';
export { ImageInput, parseWhole, type Resumable } from './input.ts';
export { type LoadedImage, type LoadOptions, type LoadStage, loadImage, loadImageFrom } from './load.ts';
export { type CarriedSection, type ImageHeader, type ParseOptions, parseHeader, parseImage } from './parse.ts';
export type { EdgeRecord, ImageSink, NodeRecord, StorageClassRecord } from './records.ts';
export type { ImagePiece } from './save/output.ts';
export { imageBytes, imageChunks, type SavedImage, type SaveOptions } from './save.ts';
