import { finishLoading, initializeNewFilesystem } from '../load.ts';
import { createState, type State, type StateOptions } from '../state.ts';
import { ImageError } from './errors.ts';
import type { SectionKind } from './format.ts';
import { type ImageInput, parseWhole, type Resumable } from './input.ts';
import { attributeSink } from './load/attributes.ts';
import { clusterSink } from './load/cluster.ts';
import type { LoadHost } from './load/host.ts';
import { sessionSink } from './load/sessions.ts';
import { checkStructure } from './load/structure.ts';
import { edgeLoader, nodeSink } from './load/tree.ts';
import { type CarriedSection, parseImage } from './parse.ts';

const DEFAULT_QUOTA_GRACE_SECONDS = 604_800;

/** Stages of loading, as the master reports them. */
export type LoadStage = SectionKind | 'checking filesystem consistency' | 'connecting files and chunks';

export interface LoadOptions extends StateOptions {
  /** Leave out or repair damaged records instead of refusing the image (`-i`). */
  ignoreErrors?: boolean;
  /** Unix time. */
  now: number;
  /** `QUOTA_DEFAULT_GRACE_PERIOD`, for quotas of images that store none. */
  defaultQuotaGrace?: number;
  notice?: (text: string) => void;
  stageBegins?: (stage: LoadStage) => void;
  stageEnds?: (stage: LoadStage) => void;
}

export interface LoadedImage {
  state: State;
  /** The image is of the form `MFSM NEW`: an empty file system was made. */
  isNew: boolean;
  /** Edge ids are unknown or out of order: `RENUMERATEEDGES` is due before the file system is used (spec 50 §7.3). */
  renumberEdges: boolean;
  /** Sections that this program does not know, to be written back. */
  carried: CarriedSection[];
}

/** What is known of the section that is being read. */
interface PresentSection {
  version: number;
  lengthBytes: number;
}

function loadHost(input: ImageInput, options: LoadOptions, section: PresentSection): LoadHost {
  const error = (reason: string) => new ImageError(input.section, input.offset, reason);
  return {
    now: options.now,
    defaultQuotaGrace: options.defaultQuotaGrace ?? DEFAULT_QUOTA_GRACE_SECONDS,
    sectionVersion: () => section.version,
    mostRecords: (lengthBytes) => Math.floor(section.lengthBytes / lengthBytes),
    notice: (text) => options.notice?.(text),
    fail(reason) {
      throw error(reason);
    },
    tolerate(reason) {
      if (options.ignoreErrors !== true) throw error(reason);
      options.notice?.(`${error(reason).message} - ignored`);
    },
  };
}

/**
 * Loads an image into a new state, piece by piece as input arrives (spec 50 §3-§5).
 * @throws ImageError when the image cannot be used; nothing outside was changed
 */
export function* loadImage(input: ImageInput, options: LoadOptions): Resumable<LoadedImage> {
  const state = createState(options);
  const present: PresentSection = { version: 0, lengthBytes: input.totalBytes };
  const host = loadHost(input, options, present);
  const { renumberNeeded, ...edges } = edgeLoader(state, host);
  const sink = {
    ...nodeSink(state, host),
    ...edges,
    ...attributeSink(state, host),
    ...sessionSink(state, host),
    ...clusterSink(state, host),
  };
  const { header, carried } = yield* parseImage(input, sink, {
    ignoreErrors: options.ignoreErrors ?? false,
    notice: host.notice,
    sectionBegins(kind, section) {
      present.version = section.version;
      present.lengthBytes = Math.min(section.lengthBytes ?? input.totalBytes, input.totalBytes);
      options.stageBegins?.(kind);
    },
    sectionEnds: (kind) => options.stageEnds?.(kind),
  });
  state.metaversion = header.metaversion;
  state.metaid = header.metaid;
  if (header.format === 'NEW') {
    initializeNewFilesystem(state, options.now);
    return { state, isNew: true, renumberEdges: false, carried: [] };
  }
  input.section = 'structure';
  state.edges.endLoading();
  options.stageBegins?.('checking filesystem consistency');
  checkStructure(state, host);
  options.stageEnds?.('checking filesystem consistency');
  options.stageBegins?.('connecting files and chunks');
  finishLoading(state);
  options.stageEnds?.('connecting files and chunks');
  return { state, isNew: false, renumberEdges: renumberNeeded(), carried };
}

/** Loads an image that is wholly in memory. */
export function loadImageFrom(image: Buffer, options: LoadOptions): LoadedImage {
  return parseWhole(image, (input) => loadImage(input, options));
}
