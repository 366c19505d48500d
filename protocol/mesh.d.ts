// Generated from mesh.proto by `npm run generate`; do not edit.
import type { Codec, DecodeOptions } from 'protons-runtime';
import type { Uint8ArrayList } from 'uint8arraylist';
export interface WirePrice {
    promptNano: bigint;
    completionNano: bigint;
    cachedNano: bigint;
}
export declare namespace WirePrice {
    const codec: () => Codec<WirePrice>;
    interface WirePricePromptNanoFieldEvent {
        field: '$.promptNano';
        value: bigint;
    }
    interface WirePriceCompletionNanoFieldEvent {
        field: '$.completionNano';
        value: bigint;
    }
    interface WirePriceCachedNanoFieldEvent {
        field: '$.cachedNano';
        value: bigint;
    }
    function encode(obj: Partial<WirePrice>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WirePrice>): WirePrice;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WirePrice>): Generator<WirePricePromptNanoFieldEvent | WirePriceCompletionNanoFieldEvent | WirePriceCachedNanoFieldEvent>;
}
export interface WireUsage {
    promptTokens: number;
    cachedTokens: number;
    completionTokens: number;
}
export declare namespace WireUsage {
    const codec: () => Codec<WireUsage>;
    interface WireUsagePromptTokensFieldEvent {
        field: '$.promptTokens';
        value: number;
    }
    interface WireUsageCachedTokensFieldEvent {
        field: '$.cachedTokens';
        value: number;
    }
    interface WireUsageCompletionTokensFieldEvent {
        field: '$.completionTokens';
        value: number;
    }
    function encode(obj: Partial<WireUsage>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireUsage>): WireUsage;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireUsage>): Generator<WireUsagePromptTokensFieldEvent | WireUsageCachedTokensFieldEvent | WireUsageCompletionTokensFieldEvent>;
}
export interface WireAdvert {
    body: Uint8Array<ArrayBuffer>;
    signature: Uint8Array<ArrayBuffer>;
}
export declare namespace WireAdvert {
    const codec: () => Codec<WireAdvert>;
    interface WireAdvertBodyFieldEvent {
        field: '$.body';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireAdvertSignatureFieldEvent {
        field: '$.signature';
        value: Uint8Array<ArrayBuffer>;
    }
    function encode(obj: Partial<WireAdvert>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireAdvert>): WireAdvert;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireAdvert>): Generator<WireAdvertBodyFieldEvent | WireAdvertSignatureFieldEvent>;
}
export interface WireAdvertBody {
    publicKey: Uint8Array<ArrayBuffer>;
    sequence: bigint;
    validUntilMs: bigint;
    payout: Uint8Array<ArrayBuffer>;
    offers: WireOffer[];
    addresses: string[];
    agent: string;
}
export declare namespace WireAdvertBody {
    const codec: () => Codec<WireAdvertBody>;
    interface WireAdvertBodyPublicKeyFieldEvent {
        field: '$.publicKey';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireAdvertBodySequenceFieldEvent {
        field: '$.sequence';
        value: bigint;
    }
    interface WireAdvertBodyValidUntilMsFieldEvent {
        field: '$.validUntilMs';
        value: bigint;
    }
    interface WireAdvertBodyPayoutFieldEvent {
        field: '$.payout';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireAdvertBodyOffersModelKeyFieldEvent {
        field: '$.offers[].modelKey';
        value: Uint8Array<ArrayBuffer>;
        index: number;
    }
    interface WireAdvertBodyOffersNameFieldEvent {
        field: '$.offers[].name';
        value: string;
        index: number;
    }
    interface WireAdvertBodyOffersContextTokensFieldEvent {
        field: '$.offers[].contextTokens';
        value: number;
        index: number;
    }
    interface WireAdvertBodyOffersPricePromptNanoFieldEvent {
        field: '$.offers[].price.promptNano';
        value: bigint;
        index: number;
    }
    interface WireAdvertBodyOffersPriceCompletionNanoFieldEvent {
        field: '$.offers[].price.completionNano';
        value: bigint;
        index: number;
    }
    interface WireAdvertBodyOffersPriceCachedNanoFieldEvent {
        field: '$.offers[].price.cachedNano';
        value: bigint;
        index: number;
    }
    interface WireAdvertBodyOffersSlotsFieldEvent {
        field: '$.offers[].slots';
        value: number;
        index: number;
    }
    interface WireAdvertBodyOffersSlotsFreeFieldEvent {
        field: '$.offers[].slotsFree';
        value: number;
        index: number;
    }
    interface WireAdvertBodyOffersQueuedFieldEvent {
        field: '$.offers[].queued';
        value: number;
        index: number;
    }
    interface WireAdvertBodyOffersPrefillTokensPerSecondFieldEvent {
        field: '$.offers[].prefillTokensPerSecond';
        value: number;
        index: number;
    }
    interface WireAdvertBodyOffersDecodeTokensPerSecondFieldEvent {
        field: '$.offers[].decodeTokensPerSecond';
        value: number;
        index: number;
    }
    interface WireAdvertBodyOffersFeaturesFieldEvent {
        field: '$.offers[].features[]';
        index: number;
        value: string;
    }
    interface WireAdvertBodyOffersVocabularySha256FieldEvent {
        field: '$.offers[].vocabularySha256';
        value: Uint8Array<ArrayBuffer>;
        index: number;
    }
    interface WireAdvertBodyAddressesFieldEvent {
        field: '$.addresses[]';
        index: number;
        value: string;
    }
    interface WireAdvertBodyAgentFieldEvent {
        field: '$.agent';
        value: string;
    }
    function encode(obj: Partial<WireAdvertBody>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireAdvertBody>): WireAdvertBody;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireAdvertBody>): Generator<WireAdvertBodyPublicKeyFieldEvent | WireAdvertBodySequenceFieldEvent | WireAdvertBodyValidUntilMsFieldEvent | WireAdvertBodyPayoutFieldEvent | WireAdvertBodyOffersModelKeyFieldEvent | WireAdvertBodyOffersNameFieldEvent | WireAdvertBodyOffersContextTokensFieldEvent | WireAdvertBodyOffersPricePromptNanoFieldEvent | WireAdvertBodyOffersPriceCompletionNanoFieldEvent | WireAdvertBodyOffersPriceCachedNanoFieldEvent | WireAdvertBodyOffersSlotsFieldEvent | WireAdvertBodyOffersSlotsFreeFieldEvent | WireAdvertBodyOffersQueuedFieldEvent | WireAdvertBodyOffersPrefillTokensPerSecondFieldEvent | WireAdvertBodyOffersDecodeTokensPerSecondFieldEvent | WireAdvertBodyOffersFeaturesFieldEvent | WireAdvertBodyOffersVocabularySha256FieldEvent | WireAdvertBodyAddressesFieldEvent | WireAdvertBodyAgentFieldEvent>;
}
export interface WireOffer {
    modelKey: Uint8Array<ArrayBuffer>;
    name: string;
    contextTokens: number;
    price?: WirePrice;
    slots: number;
    slotsFree: number;
    queued: number;
    prefillTokensPerSecond: number;
    decodeTokensPerSecond: number;
    features: string[];
    vocabularySha256: Uint8Array<ArrayBuffer>;
}
export declare namespace WireOffer {
    const codec: () => Codec<WireOffer>;
    interface WireOfferModelKeyFieldEvent {
        field: '$.modelKey';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireOfferNameFieldEvent {
        field: '$.name';
        value: string;
    }
    interface WireOfferContextTokensFieldEvent {
        field: '$.contextTokens';
        value: number;
    }
    interface WireOfferPricePromptNanoFieldEvent {
        field: '$.price.promptNano';
        value: bigint;
    }
    interface WireOfferPriceCompletionNanoFieldEvent {
        field: '$.price.completionNano';
        value: bigint;
    }
    interface WireOfferPriceCachedNanoFieldEvent {
        field: '$.price.cachedNano';
        value: bigint;
    }
    interface WireOfferSlotsFieldEvent {
        field: '$.slots';
        value: number;
    }
    interface WireOfferSlotsFreeFieldEvent {
        field: '$.slotsFree';
        value: number;
    }
    interface WireOfferQueuedFieldEvent {
        field: '$.queued';
        value: number;
    }
    interface WireOfferPrefillTokensPerSecondFieldEvent {
        field: '$.prefillTokensPerSecond';
        value: number;
    }
    interface WireOfferDecodeTokensPerSecondFieldEvent {
        field: '$.decodeTokensPerSecond';
        value: number;
    }
    interface WireOfferFeaturesFieldEvent {
        field: '$.features[]';
        index: number;
        value: string;
    }
    interface WireOfferVocabularySha256FieldEvent {
        field: '$.vocabularySha256';
        value: Uint8Array<ArrayBuffer>;
    }
    function encode(obj: Partial<WireOffer>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireOffer>): WireOffer;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireOffer>): Generator<WireOfferModelKeyFieldEvent | WireOfferNameFieldEvent | WireOfferContextTokensFieldEvent | WireOfferPricePromptNanoFieldEvent | WireOfferPriceCompletionNanoFieldEvent | WireOfferPriceCachedNanoFieldEvent | WireOfferSlotsFieldEvent | WireOfferSlotsFreeFieldEvent | WireOfferQueuedFieldEvent | WireOfferPrefillTokensPerSecondFieldEvent | WireOfferDecodeTokensPerSecondFieldEvent | WireOfferFeaturesFieldEvent | WireOfferVocabularySha256FieldEvent>;
}
export interface WireFrame {
    open?: WireOpen;
    voucher?: WireVoucher;
    cancel?: WireCancel;
    accept?: WireAccept;
    queued?: WireQueued;
    fail?: WireFail;
    delta?: WireDelta;
    end?: WireEnd;
    tab?: WireTab;
    embedding?: WireEmbedding;
}
export declare namespace WireFrame {
    const codec: () => Codec<WireFrame>;
    interface WireFrameOpenRequestIdFieldEvent {
        field: '$.open.requestId';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireFrameOpenModelKeyFieldEvent {
        field: '$.open.modelKey';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireFrameOpenMessagesRoleFieldEvent {
        field: '$.open.messages[].role';
        value: string;
        index: number;
    }
    interface WireFrameOpenMessagesContentFieldEvent {
        field: '$.open.messages[].content';
        value: string;
        index: number;
    }
    interface WireFrameOpenMessagesToolCallsIdFieldEvent {
        field: '$.open.messages[].toolCalls[].id';
        value: string;
        index: number;
    }
    interface WireFrameOpenMessagesToolCallsNameFieldEvent {
        field: '$.open.messages[].toolCalls[].name';
        value: string;
        index: number;
    }
    interface WireFrameOpenMessagesToolCallsArgumentsFieldEvent {
        field: '$.open.messages[].toolCalls[].arguments';
        value: string;
        index: number;
    }
    interface WireFrameOpenMessagesToolCallIdFieldEvent {
        field: '$.open.messages[].toolCallId';
        value: string;
        index: number;
    }
    interface WireFrameOpenSamplingTemperatureFieldEvent {
        field: '$.open.sampling.temperature';
        value: number;
    }
    interface WireFrameOpenSamplingTopPFieldEvent {
        field: '$.open.sampling.topP';
        value: number;
    }
    interface WireFrameOpenSamplingSeedFieldEvent {
        field: '$.open.sampling.seed';
        value: number;
    }
    interface WireFrameOpenSamplingStopFieldEvent {
        field: '$.open.sampling.stop[]';
        index: number;
        value: string;
    }
    interface WireFrameOpenSamplingTokensMaxFieldEvent {
        field: '$.open.sampling.tokensMax';
        value: number;
    }
    interface WireFrameOpenSamplingTopKFieldEvent {
        field: '$.open.sampling.topK';
        value: number;
    }
    interface WireFrameOpenSamplingMinPFieldEvent {
        field: '$.open.sampling.minP';
        value: number;
    }
    interface WireFrameOpenSamplingPresencePenaltyFieldEvent {
        field: '$.open.sampling.presencePenalty';
        value: number;
    }
    interface WireFrameOpenSamplingFrequencyPenaltyFieldEvent {
        field: '$.open.sampling.frequencyPenalty';
        value: number;
    }
    interface WireFrameOpenSamplingRepetitionPenaltyFieldEvent {
        field: '$.open.sampling.repetitionPenalty';
        value: number;
    }
    interface WireFrameOpenSamplingLogitBiasTokenIdFieldEvent {
        field: '$.open.sampling.logitBias[].tokenId';
        value: number;
        index: number;
    }
    interface WireFrameOpenSamplingLogitBiasBiasFieldEvent {
        field: '$.open.sampling.logitBias[].bias';
        value: number;
        index: number;
    }
    interface WireFrameOpenSamplingFormatSchemaFieldEvent {
        field: '$.open.sampling.format.schema';
        value: string;
    }
    interface WireFrameOpenSamplingLogprobsFieldEvent {
        field: '$.open.sampling.logprobs';
        value: number;
    }
    interface WireFrameOpenPriceMaxPromptNanoFieldEvent {
        field: '$.open.priceMax.promptNano';
        value: bigint;
    }
    interface WireFrameOpenPriceMaxCompletionNanoFieldEvent {
        field: '$.open.priceMax.completionNano';
        value: bigint;
    }
    interface WireFrameOpenPriceMaxCachedNanoFieldEvent {
        field: '$.open.priceMax.cachedNano';
        value: bigint;
    }
    interface WireFrameOpenEscrowFieldEvent {
        field: '$.open.escrow';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireFrameOpenDeadlineMsFieldEvent {
        field: '$.open.deadlineMs';
        value: number;
    }
    interface WireFrameOpenBestGlobalIdFieldEvent {
        field: '$.open.best.globalId';
        value: number;
    }
    interface WireFrameOpenBestEscrowFieldEvent {
        field: '$.open.best.escrow';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireFrameOpenBestEpochFieldEvent {
        field: '$.open.best.epoch';
        value: number;
    }
    interface WireFrameOpenBestPayeeFieldEvent {
        field: '$.open.best.payee';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireFrameOpenBestAmountNanoFieldEvent {
        field: '$.open.best.amountNano';
        value: bigint;
    }
    interface WireFrameOpenBestSignatureFieldEvent {
        field: '$.open.best.signature';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireFrameOpenResumeTextFieldEvent {
        field: '$.open.resumeText';
        value: string;
    }
    interface WireFrameOpenResumeTokenIdsFieldEvent {
        field: '$.open.resumeTokenIds[]';
        index: number;
        value: number;
    }
    interface WireFrameOpenTokensBudgetFieldEvent {
        field: '$.open.tokensBudget';
        value: number;
    }
    interface WireFrameOpenToolsListNameFieldEvent {
        field: '$.open.tools.list[].name';
        value: string;
        index: number;
    }
    interface WireFrameOpenToolsListDescriptionFieldEvent {
        field: '$.open.tools.list[].description';
        value: string;
        index: number;
    }
    interface WireFrameOpenToolsListParametersFieldEvent {
        field: '$.open.tools.list[].parameters';
        value: string;
        index: number;
    }
    interface WireFrameOpenToolsChoiceFieldEvent {
        field: '$.open.tools.choice';
        value: number;
    }
    interface WireFrameOpenToolsNameFieldEvent {
        field: '$.open.tools.name';
        value: string;
    }
    interface WireFrameOpenToolsParallelFieldEvent {
        field: '$.open.tools.parallel';
        value: boolean;
    }
    interface WireFrameOpenTextFieldEvent {
        field: '$.open.text';
        value: string;
    }
    interface WireFrameOpenInputsFieldEvent {
        field: '$.open.inputs[]';
        index: number;
        value: string;
    }
    interface WireFrameVoucherGlobalIdFieldEvent {
        field: '$.voucher.globalId';
        value: number;
    }
    interface WireFrameVoucherEscrowFieldEvent {
        field: '$.voucher.escrow';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireFrameVoucherEpochFieldEvent {
        field: '$.voucher.epoch';
        value: number;
    }
    interface WireFrameVoucherPayeeFieldEvent {
        field: '$.voucher.payee';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireFrameVoucherAmountNanoFieldEvent {
        field: '$.voucher.amountNano';
        value: bigint;
    }
    interface WireFrameVoucherSignatureFieldEvent {
        field: '$.voucher.signature';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireFrameAcceptPricePromptNanoFieldEvent {
        field: '$.accept.price.promptNano';
        value: bigint;
    }
    interface WireFrameAcceptPriceCompletionNanoFieldEvent {
        field: '$.accept.price.completionNano';
        value: bigint;
    }
    interface WireFrameAcceptPriceCachedNanoFieldEvent {
        field: '$.accept.price.cachedNano';
        value: bigint;
    }
    interface WireFrameAcceptPromptTokensFieldEvent {
        field: '$.accept.promptTokens';
        value: number;
    }
    interface WireFrameAcceptCachedTokensFieldEvent {
        field: '$.accept.cachedTokens';
        value: number;
    }
    interface WireFrameAcceptCreditTokensFieldEvent {
        field: '$.accept.creditTokens';
        value: number;
    }
    interface WireFrameAcceptTabOwedNanoFieldEvent {
        field: '$.accept.tab.owedNano';
        value: bigint;
    }
    interface WireFrameAcceptTabBestGlobalIdFieldEvent {
        field: '$.accept.tab.best.globalId';
        value: number;
    }
    interface WireFrameAcceptTabBestEscrowFieldEvent {
        field: '$.accept.tab.best.escrow';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireFrameAcceptTabBestEpochFieldEvent {
        field: '$.accept.tab.best.epoch';
        value: number;
    }
    interface WireFrameAcceptTabBestPayeeFieldEvent {
        field: '$.accept.tab.best.payee';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireFrameAcceptTabBestAmountNanoFieldEvent {
        field: '$.accept.tab.best.amountNano';
        value: bigint;
    }
    interface WireFrameAcceptTabBestSignatureFieldEvent {
        field: '$.accept.tab.best.signature';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireFrameAcceptTabEpochFieldEvent {
        field: '$.accept.tab.epoch';
        value: number;
    }
    interface WireFrameAcceptTabPayeeFieldEvent {
        field: '$.accept.tab.payee';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireFrameAcceptTabGlobalIdFieldEvent {
        field: '$.accept.tab.globalId';
        value: number;
    }
    interface WireFrameQueuedPositionFieldEvent {
        field: '$.queued.position';
        value: number;
    }
    interface WireFrameQueuedEtaMsFieldEvent {
        field: '$.queued.etaMs';
        value: number;
    }
    interface WireFrameFailCodeFieldEvent {
        field: '$.fail.code';
        value: number;
    }
    interface WireFrameFailMessageFieldEvent {
        field: '$.fail.message';
        value: string;
    }
    interface WireFrameFailRetryAfterMsFieldEvent {
        field: '$.fail.retryAfterMs';
        value: number;
    }
    interface WireFrameDeltaIndexFieldEvent {
        field: '$.delta.index';
        value: number;
    }
    interface WireFrameDeltaTextFieldEvent {
        field: '$.delta.text';
        value: string;
    }
    interface WireFrameDeltaTokensFieldEvent {
        field: '$.delta.tokens';
        value: number;
    }
    interface WireFrameDeltaTokenIdsFieldEvent {
        field: '$.delta.tokenIds[]';
        index: number;
        value: number;
    }
    interface WireFrameDeltaReasoningFieldEvent {
        field: '$.delta.reasoning';
        value: string;
    }
    interface WireFrameDeltaToolCallsIndexFieldEvent {
        field: '$.delta.toolCalls[].index';
        value: number;
        index: number;
    }
    interface WireFrameDeltaToolCallsIdFieldEvent {
        field: '$.delta.toolCalls[].id';
        value: string;
        index: number;
    }
    interface WireFrameDeltaToolCallsNameFieldEvent {
        field: '$.delta.toolCalls[].name';
        value: string;
        index: number;
    }
    interface WireFrameDeltaToolCallsArgumentsFieldEvent {
        field: '$.delta.toolCalls[].arguments';
        value: string;
        index: number;
    }
    interface WireFrameDeltaLogprobsBytesFieldEvent {
        field: '$.delta.logprobs[].bytes';
        value: Uint8Array<ArrayBuffer>;
        index: number;
    }
    interface WireFrameDeltaLogprobsLogprobFieldEvent {
        field: '$.delta.logprobs[].logprob';
        value: number;
        index: number;
    }
    interface WireFrameDeltaLogprobsTopBytesFieldEvent {
        field: '$.delta.logprobs[].top[].bytes';
        value: Uint8Array<ArrayBuffer>;
        index: number;
    }
    interface WireFrameDeltaLogprobsTopLogprobFieldEvent {
        field: '$.delta.logprobs[].top[].logprob';
        value: number;
        index: number;
    }
    interface WireFrameEndFinishFieldEvent {
        field: '$.end.finish';
        value: number;
    }
    interface WireFrameEndReceiptRequestDigestFieldEvent {
        field: '$.end.receipt.requestDigest';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireFrameEndReceiptModelKeyFieldEvent {
        field: '$.end.receipt.modelKey';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireFrameEndReceiptPricePromptNanoFieldEvent {
        field: '$.end.receipt.price.promptNano';
        value: bigint;
    }
    interface WireFrameEndReceiptPriceCompletionNanoFieldEvent {
        field: '$.end.receipt.price.completionNano';
        value: bigint;
    }
    interface WireFrameEndReceiptPriceCachedNanoFieldEvent {
        field: '$.end.receipt.price.cachedNano';
        value: bigint;
    }
    interface WireFrameEndReceiptUsagePromptTokensFieldEvent {
        field: '$.end.receipt.usage.promptTokens';
        value: number;
    }
    interface WireFrameEndReceiptUsageCachedTokensFieldEvent {
        field: '$.end.receipt.usage.cachedTokens';
        value: number;
    }
    interface WireFrameEndReceiptUsageCompletionTokensFieldEvent {
        field: '$.end.receipt.usage.completionTokens';
        value: number;
    }
    interface WireFrameEndReceiptCostNanoFieldEvent {
        field: '$.end.receipt.costNano';
        value: bigint;
    }
    interface WireFrameEndReceiptSignatureFieldEvent {
        field: '$.end.receipt.signature';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireFrameTabOwedNanoFieldEvent {
        field: '$.tab.owedNano';
        value: bigint;
    }
    interface WireFrameTabBestGlobalIdFieldEvent {
        field: '$.tab.best.globalId';
        value: number;
    }
    interface WireFrameTabBestEscrowFieldEvent {
        field: '$.tab.best.escrow';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireFrameTabBestEpochFieldEvent {
        field: '$.tab.best.epoch';
        value: number;
    }
    interface WireFrameTabBestPayeeFieldEvent {
        field: '$.tab.best.payee';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireFrameTabBestAmountNanoFieldEvent {
        field: '$.tab.best.amountNano';
        value: bigint;
    }
    interface WireFrameTabBestSignatureFieldEvent {
        field: '$.tab.best.signature';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireFrameTabEpochFieldEvent {
        field: '$.tab.epoch';
        value: number;
    }
    interface WireFrameTabPayeeFieldEvent {
        field: '$.tab.payee';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireFrameTabGlobalIdFieldEvent {
        field: '$.tab.globalId';
        value: number;
    }
    interface WireFrameEmbeddingIndexFieldEvent {
        field: '$.embedding.index';
        value: number;
    }
    interface WireFrameEmbeddingVectorFieldEvent {
        field: '$.embedding.vector';
        value: Uint8Array<ArrayBuffer>;
    }
    function encode(obj: Partial<WireFrame>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireFrame>): WireFrame;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireFrame>): Generator<WireFrameOpenRequestIdFieldEvent | WireFrameOpenModelKeyFieldEvent | WireFrameOpenMessagesRoleFieldEvent | WireFrameOpenMessagesContentFieldEvent | WireFrameOpenMessagesToolCallsIdFieldEvent | WireFrameOpenMessagesToolCallsNameFieldEvent | WireFrameOpenMessagesToolCallsArgumentsFieldEvent | WireFrameOpenMessagesToolCallIdFieldEvent | WireFrameOpenSamplingTemperatureFieldEvent | WireFrameOpenSamplingTopPFieldEvent | WireFrameOpenSamplingSeedFieldEvent | WireFrameOpenSamplingStopFieldEvent | WireFrameOpenSamplingTokensMaxFieldEvent | WireFrameOpenSamplingTopKFieldEvent | WireFrameOpenSamplingMinPFieldEvent | WireFrameOpenSamplingPresencePenaltyFieldEvent | WireFrameOpenSamplingFrequencyPenaltyFieldEvent | WireFrameOpenSamplingRepetitionPenaltyFieldEvent | WireFrameOpenSamplingLogitBiasTokenIdFieldEvent | WireFrameOpenSamplingLogitBiasBiasFieldEvent | WireFrameOpenSamplingFormatSchemaFieldEvent | WireFrameOpenSamplingLogprobsFieldEvent | WireFrameOpenPriceMaxPromptNanoFieldEvent | WireFrameOpenPriceMaxCompletionNanoFieldEvent | WireFrameOpenPriceMaxCachedNanoFieldEvent | WireFrameOpenEscrowFieldEvent | WireFrameOpenDeadlineMsFieldEvent | WireFrameOpenBestGlobalIdFieldEvent | WireFrameOpenBestEscrowFieldEvent | WireFrameOpenBestEpochFieldEvent | WireFrameOpenBestPayeeFieldEvent | WireFrameOpenBestAmountNanoFieldEvent | WireFrameOpenBestSignatureFieldEvent | WireFrameOpenResumeTextFieldEvent | WireFrameOpenResumeTokenIdsFieldEvent | WireFrameOpenTokensBudgetFieldEvent | WireFrameOpenToolsListNameFieldEvent | WireFrameOpenToolsListDescriptionFieldEvent | WireFrameOpenToolsListParametersFieldEvent | WireFrameOpenToolsChoiceFieldEvent | WireFrameOpenToolsNameFieldEvent | WireFrameOpenToolsParallelFieldEvent | WireFrameOpenTextFieldEvent | WireFrameOpenInputsFieldEvent | WireFrameVoucherGlobalIdFieldEvent | WireFrameVoucherEscrowFieldEvent | WireFrameVoucherEpochFieldEvent | WireFrameVoucherPayeeFieldEvent | WireFrameVoucherAmountNanoFieldEvent | WireFrameVoucherSignatureFieldEvent | WireFrameAcceptPricePromptNanoFieldEvent | WireFrameAcceptPriceCompletionNanoFieldEvent | WireFrameAcceptPriceCachedNanoFieldEvent | WireFrameAcceptPromptTokensFieldEvent | WireFrameAcceptCachedTokensFieldEvent | WireFrameAcceptCreditTokensFieldEvent | WireFrameAcceptTabOwedNanoFieldEvent | WireFrameAcceptTabBestGlobalIdFieldEvent | WireFrameAcceptTabBestEscrowFieldEvent | WireFrameAcceptTabBestEpochFieldEvent | WireFrameAcceptTabBestPayeeFieldEvent | WireFrameAcceptTabBestAmountNanoFieldEvent | WireFrameAcceptTabBestSignatureFieldEvent | WireFrameAcceptTabEpochFieldEvent | WireFrameAcceptTabPayeeFieldEvent | WireFrameAcceptTabGlobalIdFieldEvent | WireFrameQueuedPositionFieldEvent | WireFrameQueuedEtaMsFieldEvent | WireFrameFailCodeFieldEvent | WireFrameFailMessageFieldEvent | WireFrameFailRetryAfterMsFieldEvent | WireFrameDeltaIndexFieldEvent | WireFrameDeltaTextFieldEvent | WireFrameDeltaTokensFieldEvent | WireFrameDeltaTokenIdsFieldEvent | WireFrameDeltaReasoningFieldEvent | WireFrameDeltaToolCallsIndexFieldEvent | WireFrameDeltaToolCallsIdFieldEvent | WireFrameDeltaToolCallsNameFieldEvent | WireFrameDeltaToolCallsArgumentsFieldEvent | WireFrameDeltaLogprobsBytesFieldEvent | WireFrameDeltaLogprobsLogprobFieldEvent | WireFrameDeltaLogprobsTopBytesFieldEvent | WireFrameDeltaLogprobsTopLogprobFieldEvent | WireFrameEndFinishFieldEvent | WireFrameEndReceiptRequestDigestFieldEvent | WireFrameEndReceiptModelKeyFieldEvent | WireFrameEndReceiptPricePromptNanoFieldEvent | WireFrameEndReceiptPriceCompletionNanoFieldEvent | WireFrameEndReceiptPriceCachedNanoFieldEvent | WireFrameEndReceiptUsagePromptTokensFieldEvent | WireFrameEndReceiptUsageCachedTokensFieldEvent | WireFrameEndReceiptUsageCompletionTokensFieldEvent | WireFrameEndReceiptCostNanoFieldEvent | WireFrameEndReceiptSignatureFieldEvent | WireFrameTabOwedNanoFieldEvent | WireFrameTabBestGlobalIdFieldEvent | WireFrameTabBestEscrowFieldEvent | WireFrameTabBestEpochFieldEvent | WireFrameTabBestPayeeFieldEvent | WireFrameTabBestAmountNanoFieldEvent | WireFrameTabBestSignatureFieldEvent | WireFrameTabEpochFieldEvent | WireFrameTabPayeeFieldEvent | WireFrameTabGlobalIdFieldEvent | WireFrameEmbeddingIndexFieldEvent | WireFrameEmbeddingVectorFieldEvent>;
}
export interface WireMessage {
    role: string;
    content: string;
    toolCalls: WireToolCall[];
    toolCallId: string;
}
export declare namespace WireMessage {
    const codec: () => Codec<WireMessage>;
    interface WireMessageRoleFieldEvent {
        field: '$.role';
        value: string;
    }
    interface WireMessageContentFieldEvent {
        field: '$.content';
        value: string;
    }
    interface WireMessageToolCallsIdFieldEvent {
        field: '$.toolCalls[].id';
        value: string;
        index: number;
    }
    interface WireMessageToolCallsNameFieldEvent {
        field: '$.toolCalls[].name';
        value: string;
        index: number;
    }
    interface WireMessageToolCallsArgumentsFieldEvent {
        field: '$.toolCalls[].arguments';
        value: string;
        index: number;
    }
    interface WireMessageToolCallIdFieldEvent {
        field: '$.toolCallId';
        value: string;
    }
    function encode(obj: Partial<WireMessage>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireMessage>): WireMessage;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireMessage>): Generator<WireMessageRoleFieldEvent | WireMessageContentFieldEvent | WireMessageToolCallsIdFieldEvent | WireMessageToolCallsNameFieldEvent | WireMessageToolCallsArgumentsFieldEvent | WireMessageToolCallIdFieldEvent>;
}
export interface WireToolCall {
    id: string;
    name: string;
    arguments: string;
}
export declare namespace WireToolCall {
    const codec: () => Codec<WireToolCall>;
    interface WireToolCallIdFieldEvent {
        field: '$.id';
        value: string;
    }
    interface WireToolCallNameFieldEvent {
        field: '$.name';
        value: string;
    }
    interface WireToolCallArgumentsFieldEvent {
        field: '$.arguments';
        value: string;
    }
    function encode(obj: Partial<WireToolCall>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireToolCall>): WireToolCall;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireToolCall>): Generator<WireToolCallIdFieldEvent | WireToolCallNameFieldEvent | WireToolCallArgumentsFieldEvent>;
}
export interface WireTool {
    name: string;
    description: string;
    parameters: string;
}
export declare namespace WireTool {
    const codec: () => Codec<WireTool>;
    interface WireToolNameFieldEvent {
        field: '$.name';
        value: string;
    }
    interface WireToolDescriptionFieldEvent {
        field: '$.description';
        value: string;
    }
    interface WireToolParametersFieldEvent {
        field: '$.parameters';
        value: string;
    }
    function encode(obj: Partial<WireTool>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireTool>): WireTool;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireTool>): Generator<WireToolNameFieldEvent | WireToolDescriptionFieldEvent | WireToolParametersFieldEvent>;
}
export interface WireTools {
    list: WireTool[];
    choice: number;
    name: string;
    parallel: boolean;
}
export declare namespace WireTools {
    const codec: () => Codec<WireTools>;
    interface WireToolsListNameFieldEvent {
        field: '$.list[].name';
        value: string;
        index: number;
    }
    interface WireToolsListDescriptionFieldEvent {
        field: '$.list[].description';
        value: string;
        index: number;
    }
    interface WireToolsListParametersFieldEvent {
        field: '$.list[].parameters';
        value: string;
        index: number;
    }
    interface WireToolsChoiceFieldEvent {
        field: '$.choice';
        value: number;
    }
    interface WireToolsNameFieldEvent {
        field: '$.name';
        value: string;
    }
    interface WireToolsParallelFieldEvent {
        field: '$.parallel';
        value: boolean;
    }
    function encode(obj: Partial<WireTools>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireTools>): WireTools;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireTools>): Generator<WireToolsListNameFieldEvent | WireToolsListDescriptionFieldEvent | WireToolsListParametersFieldEvent | WireToolsChoiceFieldEvent | WireToolsNameFieldEvent | WireToolsParallelFieldEvent>;
}
export interface WireFormat {
    schema?: string;
}
export declare namespace WireFormat {
    const codec: () => Codec<WireFormat>;
    interface WireFormatSchemaFieldEvent {
        field: '$.schema';
        value: string;
    }
    function encode(obj: Partial<WireFormat>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireFormat>): WireFormat;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireFormat>): Generator<WireFormatSchemaFieldEvent>;
}
export interface WireLogitBias {
    tokenId: number;
    bias: number;
}
export declare namespace WireLogitBias {
    const codec: () => Codec<WireLogitBias>;
    interface WireLogitBiasTokenIdFieldEvent {
        field: '$.tokenId';
        value: number;
    }
    interface WireLogitBiasBiasFieldEvent {
        field: '$.bias';
        value: number;
    }
    function encode(obj: Partial<WireLogitBias>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireLogitBias>): WireLogitBias;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireLogitBias>): Generator<WireLogitBiasTokenIdFieldEvent | WireLogitBiasBiasFieldEvent>;
}
export interface WireSampling {
    temperature?: number;
    topP?: number;
    seed?: number;
    stop: string[];
    tokensMax?: number;
    topK?: number;
    minP?: number;
    presencePenalty?: number;
    frequencyPenalty?: number;
    repetitionPenalty?: number;
    logitBias: WireLogitBias[];
    format?: WireFormat;
    logprobs?: number;
}
export declare namespace WireSampling {
    const codec: () => Codec<WireSampling>;
    interface WireSamplingTemperatureFieldEvent {
        field: '$.temperature';
        value: number;
    }
    interface WireSamplingTopPFieldEvent {
        field: '$.topP';
        value: number;
    }
    interface WireSamplingSeedFieldEvent {
        field: '$.seed';
        value: number;
    }
    interface WireSamplingStopFieldEvent {
        field: '$.stop[]';
        index: number;
        value: string;
    }
    interface WireSamplingTokensMaxFieldEvent {
        field: '$.tokensMax';
        value: number;
    }
    interface WireSamplingTopKFieldEvent {
        field: '$.topK';
        value: number;
    }
    interface WireSamplingMinPFieldEvent {
        field: '$.minP';
        value: number;
    }
    interface WireSamplingPresencePenaltyFieldEvent {
        field: '$.presencePenalty';
        value: number;
    }
    interface WireSamplingFrequencyPenaltyFieldEvent {
        field: '$.frequencyPenalty';
        value: number;
    }
    interface WireSamplingRepetitionPenaltyFieldEvent {
        field: '$.repetitionPenalty';
        value: number;
    }
    interface WireSamplingLogitBiasTokenIdFieldEvent {
        field: '$.logitBias[].tokenId';
        value: number;
        index: number;
    }
    interface WireSamplingLogitBiasBiasFieldEvent {
        field: '$.logitBias[].bias';
        value: number;
        index: number;
    }
    interface WireSamplingFormatSchemaFieldEvent {
        field: '$.format.schema';
        value: string;
    }
    interface WireSamplingLogprobsFieldEvent {
        field: '$.logprobs';
        value: number;
    }
    function encode(obj: Partial<WireSampling>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireSampling>): WireSampling;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireSampling>): Generator<WireSamplingTemperatureFieldEvent | WireSamplingTopPFieldEvent | WireSamplingSeedFieldEvent | WireSamplingStopFieldEvent | WireSamplingTokensMaxFieldEvent | WireSamplingTopKFieldEvent | WireSamplingMinPFieldEvent | WireSamplingPresencePenaltyFieldEvent | WireSamplingFrequencyPenaltyFieldEvent | WireSamplingRepetitionPenaltyFieldEvent | WireSamplingLogitBiasTokenIdFieldEvent | WireSamplingLogitBiasBiasFieldEvent | WireSamplingFormatSchemaFieldEvent | WireSamplingLogprobsFieldEvent>;
}
export interface WireOpen {
    requestId: Uint8Array<ArrayBuffer>;
    modelKey: Uint8Array<ArrayBuffer>;
    messages: WireMessage[];
    sampling?: WireSampling;
    priceMax?: WirePrice;
    escrow: Uint8Array<ArrayBuffer>;
    deadlineMs: number;
    best?: WireVoucher;
    resumeText: string;
    resumeTokenIds: number[];
    tokensBudget?: number;
    tools?: WireTools;
    text?: string;
    inputs: string[];
}
export declare namespace WireOpen {
    const codec: () => Codec<WireOpen>;
    interface WireOpenRequestIdFieldEvent {
        field: '$.requestId';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireOpenModelKeyFieldEvent {
        field: '$.modelKey';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireOpenMessagesRoleFieldEvent {
        field: '$.messages[].role';
        value: string;
        index: number;
    }
    interface WireOpenMessagesContentFieldEvent {
        field: '$.messages[].content';
        value: string;
        index: number;
    }
    interface WireOpenMessagesToolCallsIdFieldEvent {
        field: '$.messages[].toolCalls[].id';
        value: string;
        index: number;
    }
    interface WireOpenMessagesToolCallsNameFieldEvent {
        field: '$.messages[].toolCalls[].name';
        value: string;
        index: number;
    }
    interface WireOpenMessagesToolCallsArgumentsFieldEvent {
        field: '$.messages[].toolCalls[].arguments';
        value: string;
        index: number;
    }
    interface WireOpenMessagesToolCallIdFieldEvent {
        field: '$.messages[].toolCallId';
        value: string;
        index: number;
    }
    interface WireOpenSamplingTemperatureFieldEvent {
        field: '$.sampling.temperature';
        value: number;
    }
    interface WireOpenSamplingTopPFieldEvent {
        field: '$.sampling.topP';
        value: number;
    }
    interface WireOpenSamplingSeedFieldEvent {
        field: '$.sampling.seed';
        value: number;
    }
    interface WireOpenSamplingStopFieldEvent {
        field: '$.sampling.stop[]';
        index: number;
        value: string;
    }
    interface WireOpenSamplingTokensMaxFieldEvent {
        field: '$.sampling.tokensMax';
        value: number;
    }
    interface WireOpenSamplingTopKFieldEvent {
        field: '$.sampling.topK';
        value: number;
    }
    interface WireOpenSamplingMinPFieldEvent {
        field: '$.sampling.minP';
        value: number;
    }
    interface WireOpenSamplingPresencePenaltyFieldEvent {
        field: '$.sampling.presencePenalty';
        value: number;
    }
    interface WireOpenSamplingFrequencyPenaltyFieldEvent {
        field: '$.sampling.frequencyPenalty';
        value: number;
    }
    interface WireOpenSamplingRepetitionPenaltyFieldEvent {
        field: '$.sampling.repetitionPenalty';
        value: number;
    }
    interface WireOpenSamplingLogitBiasTokenIdFieldEvent {
        field: '$.sampling.logitBias[].tokenId';
        value: number;
        index: number;
    }
    interface WireOpenSamplingLogitBiasBiasFieldEvent {
        field: '$.sampling.logitBias[].bias';
        value: number;
        index: number;
    }
    interface WireOpenSamplingFormatSchemaFieldEvent {
        field: '$.sampling.format.schema';
        value: string;
    }
    interface WireOpenSamplingLogprobsFieldEvent {
        field: '$.sampling.logprobs';
        value: number;
    }
    interface WireOpenPriceMaxPromptNanoFieldEvent {
        field: '$.priceMax.promptNano';
        value: bigint;
    }
    interface WireOpenPriceMaxCompletionNanoFieldEvent {
        field: '$.priceMax.completionNano';
        value: bigint;
    }
    interface WireOpenPriceMaxCachedNanoFieldEvent {
        field: '$.priceMax.cachedNano';
        value: bigint;
    }
    interface WireOpenEscrowFieldEvent {
        field: '$.escrow';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireOpenDeadlineMsFieldEvent {
        field: '$.deadlineMs';
        value: number;
    }
    interface WireOpenBestGlobalIdFieldEvent {
        field: '$.best.globalId';
        value: number;
    }
    interface WireOpenBestEscrowFieldEvent {
        field: '$.best.escrow';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireOpenBestEpochFieldEvent {
        field: '$.best.epoch';
        value: number;
    }
    interface WireOpenBestPayeeFieldEvent {
        field: '$.best.payee';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireOpenBestAmountNanoFieldEvent {
        field: '$.best.amountNano';
        value: bigint;
    }
    interface WireOpenBestSignatureFieldEvent {
        field: '$.best.signature';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireOpenResumeTextFieldEvent {
        field: '$.resumeText';
        value: string;
    }
    interface WireOpenResumeTokenIdsFieldEvent {
        field: '$.resumeTokenIds[]';
        index: number;
        value: number;
    }
    interface WireOpenTokensBudgetFieldEvent {
        field: '$.tokensBudget';
        value: number;
    }
    interface WireOpenToolsListNameFieldEvent {
        field: '$.tools.list[].name';
        value: string;
        index: number;
    }
    interface WireOpenToolsListDescriptionFieldEvent {
        field: '$.tools.list[].description';
        value: string;
        index: number;
    }
    interface WireOpenToolsListParametersFieldEvent {
        field: '$.tools.list[].parameters';
        value: string;
        index: number;
    }
    interface WireOpenToolsChoiceFieldEvent {
        field: '$.tools.choice';
        value: number;
    }
    interface WireOpenToolsNameFieldEvent {
        field: '$.tools.name';
        value: string;
    }
    interface WireOpenToolsParallelFieldEvent {
        field: '$.tools.parallel';
        value: boolean;
    }
    interface WireOpenTextFieldEvent {
        field: '$.text';
        value: string;
    }
    interface WireOpenInputsFieldEvent {
        field: '$.inputs[]';
        index: number;
        value: string;
    }
    function encode(obj: Partial<WireOpen>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireOpen>): WireOpen;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireOpen>): Generator<WireOpenRequestIdFieldEvent | WireOpenModelKeyFieldEvent | WireOpenMessagesRoleFieldEvent | WireOpenMessagesContentFieldEvent | WireOpenMessagesToolCallsIdFieldEvent | WireOpenMessagesToolCallsNameFieldEvent | WireOpenMessagesToolCallsArgumentsFieldEvent | WireOpenMessagesToolCallIdFieldEvent | WireOpenSamplingTemperatureFieldEvent | WireOpenSamplingTopPFieldEvent | WireOpenSamplingSeedFieldEvent | WireOpenSamplingStopFieldEvent | WireOpenSamplingTokensMaxFieldEvent | WireOpenSamplingTopKFieldEvent | WireOpenSamplingMinPFieldEvent | WireOpenSamplingPresencePenaltyFieldEvent | WireOpenSamplingFrequencyPenaltyFieldEvent | WireOpenSamplingRepetitionPenaltyFieldEvent | WireOpenSamplingLogitBiasTokenIdFieldEvent | WireOpenSamplingLogitBiasBiasFieldEvent | WireOpenSamplingFormatSchemaFieldEvent | WireOpenSamplingLogprobsFieldEvent | WireOpenPriceMaxPromptNanoFieldEvent | WireOpenPriceMaxCompletionNanoFieldEvent | WireOpenPriceMaxCachedNanoFieldEvent | WireOpenEscrowFieldEvent | WireOpenDeadlineMsFieldEvent | WireOpenBestGlobalIdFieldEvent | WireOpenBestEscrowFieldEvent | WireOpenBestEpochFieldEvent | WireOpenBestPayeeFieldEvent | WireOpenBestAmountNanoFieldEvent | WireOpenBestSignatureFieldEvent | WireOpenResumeTextFieldEvent | WireOpenResumeTokenIdsFieldEvent | WireOpenTokensBudgetFieldEvent | WireOpenToolsListNameFieldEvent | WireOpenToolsListDescriptionFieldEvent | WireOpenToolsListParametersFieldEvent | WireOpenToolsChoiceFieldEvent | WireOpenToolsNameFieldEvent | WireOpenToolsParallelFieldEvent | WireOpenTextFieldEvent | WireOpenInputsFieldEvent>;
}
export interface WireVoucher {
    globalId: number;
    escrow: Uint8Array<ArrayBuffer>;
    epoch: number;
    payee: Uint8Array<ArrayBuffer>;
    amountNano: bigint;
    signature: Uint8Array<ArrayBuffer>;
}
export declare namespace WireVoucher {
    const codec: () => Codec<WireVoucher>;
    interface WireVoucherGlobalIdFieldEvent {
        field: '$.globalId';
        value: number;
    }
    interface WireVoucherEscrowFieldEvent {
        field: '$.escrow';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireVoucherEpochFieldEvent {
        field: '$.epoch';
        value: number;
    }
    interface WireVoucherPayeeFieldEvent {
        field: '$.payee';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireVoucherAmountNanoFieldEvent {
        field: '$.amountNano';
        value: bigint;
    }
    interface WireVoucherSignatureFieldEvent {
        field: '$.signature';
        value: Uint8Array<ArrayBuffer>;
    }
    function encode(obj: Partial<WireVoucher>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireVoucher>): WireVoucher;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireVoucher>): Generator<WireVoucherGlobalIdFieldEvent | WireVoucherEscrowFieldEvent | WireVoucherEpochFieldEvent | WireVoucherPayeeFieldEvent | WireVoucherAmountNanoFieldEvent | WireVoucherSignatureFieldEvent>;
}
export interface WireCancel {
}
export declare namespace WireCancel {
    const codec: () => Codec<WireCancel>;
    function encode(obj: Partial<WireCancel>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireCancel>): WireCancel;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireCancel>): Generator<{}>;
}
export interface WireAccept {
    price?: WirePrice;
    promptTokens: number;
    cachedTokens: number;
    creditTokens: number;
    tab?: WireTab;
}
export declare namespace WireAccept {
    const codec: () => Codec<WireAccept>;
    interface WireAcceptPricePromptNanoFieldEvent {
        field: '$.price.promptNano';
        value: bigint;
    }
    interface WireAcceptPriceCompletionNanoFieldEvent {
        field: '$.price.completionNano';
        value: bigint;
    }
    interface WireAcceptPriceCachedNanoFieldEvent {
        field: '$.price.cachedNano';
        value: bigint;
    }
    interface WireAcceptPromptTokensFieldEvent {
        field: '$.promptTokens';
        value: number;
    }
    interface WireAcceptCachedTokensFieldEvent {
        field: '$.cachedTokens';
        value: number;
    }
    interface WireAcceptCreditTokensFieldEvent {
        field: '$.creditTokens';
        value: number;
    }
    interface WireAcceptTabOwedNanoFieldEvent {
        field: '$.tab.owedNano';
        value: bigint;
    }
    interface WireAcceptTabBestGlobalIdFieldEvent {
        field: '$.tab.best.globalId';
        value: number;
    }
    interface WireAcceptTabBestEscrowFieldEvent {
        field: '$.tab.best.escrow';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireAcceptTabBestEpochFieldEvent {
        field: '$.tab.best.epoch';
        value: number;
    }
    interface WireAcceptTabBestPayeeFieldEvent {
        field: '$.tab.best.payee';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireAcceptTabBestAmountNanoFieldEvent {
        field: '$.tab.best.amountNano';
        value: bigint;
    }
    interface WireAcceptTabBestSignatureFieldEvent {
        field: '$.tab.best.signature';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireAcceptTabEpochFieldEvent {
        field: '$.tab.epoch';
        value: number;
    }
    interface WireAcceptTabPayeeFieldEvent {
        field: '$.tab.payee';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireAcceptTabGlobalIdFieldEvent {
        field: '$.tab.globalId';
        value: number;
    }
    function encode(obj: Partial<WireAccept>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireAccept>): WireAccept;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireAccept>): Generator<WireAcceptPricePromptNanoFieldEvent | WireAcceptPriceCompletionNanoFieldEvent | WireAcceptPriceCachedNanoFieldEvent | WireAcceptPromptTokensFieldEvent | WireAcceptCachedTokensFieldEvent | WireAcceptCreditTokensFieldEvent | WireAcceptTabOwedNanoFieldEvent | WireAcceptTabBestGlobalIdFieldEvent | WireAcceptTabBestEscrowFieldEvent | WireAcceptTabBestEpochFieldEvent | WireAcceptTabBestPayeeFieldEvent | WireAcceptTabBestAmountNanoFieldEvent | WireAcceptTabBestSignatureFieldEvent | WireAcceptTabEpochFieldEvent | WireAcceptTabPayeeFieldEvent | WireAcceptTabGlobalIdFieldEvent>;
}
export interface WireTab {
    owedNano: bigint;
    best?: WireVoucher;
    epoch: number;
    payee: Uint8Array<ArrayBuffer>;
    globalId: number;
}
export declare namespace WireTab {
    const codec: () => Codec<WireTab>;
    interface WireTabOwedNanoFieldEvent {
        field: '$.owedNano';
        value: bigint;
    }
    interface WireTabBestGlobalIdFieldEvent {
        field: '$.best.globalId';
        value: number;
    }
    interface WireTabBestEscrowFieldEvent {
        field: '$.best.escrow';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireTabBestEpochFieldEvent {
        field: '$.best.epoch';
        value: number;
    }
    interface WireTabBestPayeeFieldEvent {
        field: '$.best.payee';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireTabBestAmountNanoFieldEvent {
        field: '$.best.amountNano';
        value: bigint;
    }
    interface WireTabBestSignatureFieldEvent {
        field: '$.best.signature';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireTabEpochFieldEvent {
        field: '$.epoch';
        value: number;
    }
    interface WireTabPayeeFieldEvent {
        field: '$.payee';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireTabGlobalIdFieldEvent {
        field: '$.globalId';
        value: number;
    }
    function encode(obj: Partial<WireTab>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireTab>): WireTab;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireTab>): Generator<WireTabOwedNanoFieldEvent | WireTabBestGlobalIdFieldEvent | WireTabBestEscrowFieldEvent | WireTabBestEpochFieldEvent | WireTabBestPayeeFieldEvent | WireTabBestAmountNanoFieldEvent | WireTabBestSignatureFieldEvent | WireTabEpochFieldEvent | WireTabPayeeFieldEvent | WireTabGlobalIdFieldEvent>;
}
export interface WireQueued {
    position: number;
    etaMs?: number;
}
export declare namespace WireQueued {
    const codec: () => Codec<WireQueued>;
    interface WireQueuedPositionFieldEvent {
        field: '$.position';
        value: number;
    }
    interface WireQueuedEtaMsFieldEvent {
        field: '$.etaMs';
        value: number;
    }
    function encode(obj: Partial<WireQueued>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireQueued>): WireQueued;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireQueued>): Generator<WireQueuedPositionFieldEvent | WireQueuedEtaMsFieldEvent>;
}
export interface WireFail {
    code: number;
    message: string;
    retryAfterMs?: number;
}
export declare namespace WireFail {
    const codec: () => Codec<WireFail>;
    interface WireFailCodeFieldEvent {
        field: '$.code';
        value: number;
    }
    interface WireFailMessageFieldEvent {
        field: '$.message';
        value: string;
    }
    interface WireFailRetryAfterMsFieldEvent {
        field: '$.retryAfterMs';
        value: number;
    }
    function encode(obj: Partial<WireFail>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireFail>): WireFail;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireFail>): Generator<WireFailCodeFieldEvent | WireFailMessageFieldEvent | WireFailRetryAfterMsFieldEvent>;
}
export interface WireDelta {
    index: number;
    text: string;
    tokens: number;
    tokenIds: number[];
    reasoning: string;
    toolCalls: WireToolCallDelta[];
    logprobs: WireLogprob[];
}
export declare namespace WireDelta {
    const codec: () => Codec<WireDelta>;
    interface WireDeltaIndexFieldEvent {
        field: '$.index';
        value: number;
    }
    interface WireDeltaTextFieldEvent {
        field: '$.text';
        value: string;
    }
    interface WireDeltaTokensFieldEvent {
        field: '$.tokens';
        value: number;
    }
    interface WireDeltaTokenIdsFieldEvent {
        field: '$.tokenIds[]';
        index: number;
        value: number;
    }
    interface WireDeltaReasoningFieldEvent {
        field: '$.reasoning';
        value: string;
    }
    interface WireDeltaToolCallsIndexFieldEvent {
        field: '$.toolCalls[].index';
        value: number;
        index: number;
    }
    interface WireDeltaToolCallsIdFieldEvent {
        field: '$.toolCalls[].id';
        value: string;
        index: number;
    }
    interface WireDeltaToolCallsNameFieldEvent {
        field: '$.toolCalls[].name';
        value: string;
        index: number;
    }
    interface WireDeltaToolCallsArgumentsFieldEvent {
        field: '$.toolCalls[].arguments';
        value: string;
        index: number;
    }
    interface WireDeltaLogprobsBytesFieldEvent {
        field: '$.logprobs[].bytes';
        value: Uint8Array<ArrayBuffer>;
        index: number;
    }
    interface WireDeltaLogprobsLogprobFieldEvent {
        field: '$.logprobs[].logprob';
        value: number;
        index: number;
    }
    interface WireDeltaLogprobsTopBytesFieldEvent {
        field: '$.logprobs[].top[].bytes';
        value: Uint8Array<ArrayBuffer>;
        index: number;
    }
    interface WireDeltaLogprobsTopLogprobFieldEvent {
        field: '$.logprobs[].top[].logprob';
        value: number;
        index: number;
    }
    function encode(obj: Partial<WireDelta>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireDelta>): WireDelta;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireDelta>): Generator<WireDeltaIndexFieldEvent | WireDeltaTextFieldEvent | WireDeltaTokensFieldEvent | WireDeltaTokenIdsFieldEvent | WireDeltaReasoningFieldEvent | WireDeltaToolCallsIndexFieldEvent | WireDeltaToolCallsIdFieldEvent | WireDeltaToolCallsNameFieldEvent | WireDeltaToolCallsArgumentsFieldEvent | WireDeltaLogprobsBytesFieldEvent | WireDeltaLogprobsLogprobFieldEvent | WireDeltaLogprobsTopBytesFieldEvent | WireDeltaLogprobsTopLogprobFieldEvent>;
}
export interface WireToolCallDelta {
    index: number;
    id?: string;
    name?: string;
    arguments: string;
}
export declare namespace WireToolCallDelta {
    const codec: () => Codec<WireToolCallDelta>;
    interface WireToolCallDeltaIndexFieldEvent {
        field: '$.index';
        value: number;
    }
    interface WireToolCallDeltaIdFieldEvent {
        field: '$.id';
        value: string;
    }
    interface WireToolCallDeltaNameFieldEvent {
        field: '$.name';
        value: string;
    }
    interface WireToolCallDeltaArgumentsFieldEvent {
        field: '$.arguments';
        value: string;
    }
    function encode(obj: Partial<WireToolCallDelta>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireToolCallDelta>): WireToolCallDelta;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireToolCallDelta>): Generator<WireToolCallDeltaIndexFieldEvent | WireToolCallDeltaIdFieldEvent | WireToolCallDeltaNameFieldEvent | WireToolCallDeltaArgumentsFieldEvent>;
}
export interface WireLogprob {
    bytes: Uint8Array<ArrayBuffer>;
    logprob: number;
    top: WireAlternative[];
}
export declare namespace WireLogprob {
    const codec: () => Codec<WireLogprob>;
    interface WireLogprobBytesFieldEvent {
        field: '$.bytes';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireLogprobLogprobFieldEvent {
        field: '$.logprob';
        value: number;
    }
    interface WireLogprobTopBytesFieldEvent {
        field: '$.top[].bytes';
        value: Uint8Array<ArrayBuffer>;
        index: number;
    }
    interface WireLogprobTopLogprobFieldEvent {
        field: '$.top[].logprob';
        value: number;
        index: number;
    }
    function encode(obj: Partial<WireLogprob>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireLogprob>): WireLogprob;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireLogprob>): Generator<WireLogprobBytesFieldEvent | WireLogprobLogprobFieldEvent | WireLogprobTopBytesFieldEvent | WireLogprobTopLogprobFieldEvent>;
}
export interface WireAlternative {
    bytes: Uint8Array<ArrayBuffer>;
    logprob: number;
}
export declare namespace WireAlternative {
    const codec: () => Codec<WireAlternative>;
    interface WireAlternativeBytesFieldEvent {
        field: '$.bytes';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireAlternativeLogprobFieldEvent {
        field: '$.logprob';
        value: number;
    }
    function encode(obj: Partial<WireAlternative>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireAlternative>): WireAlternative;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireAlternative>): Generator<WireAlternativeBytesFieldEvent | WireAlternativeLogprobFieldEvent>;
}
export interface WireEmbedding {
    index: number;
    vector: Uint8Array<ArrayBuffer>;
}
export declare namespace WireEmbedding {
    const codec: () => Codec<WireEmbedding>;
    interface WireEmbeddingIndexFieldEvent {
        field: '$.index';
        value: number;
    }
    interface WireEmbeddingVectorFieldEvent {
        field: '$.vector';
        value: Uint8Array<ArrayBuffer>;
    }
    function encode(obj: Partial<WireEmbedding>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireEmbedding>): WireEmbedding;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireEmbedding>): Generator<WireEmbeddingIndexFieldEvent | WireEmbeddingVectorFieldEvent>;
}
export interface WireEnd {
    finish: number;
    receipt?: WireReceipt;
}
export declare namespace WireEnd {
    const codec: () => Codec<WireEnd>;
    interface WireEndFinishFieldEvent {
        field: '$.finish';
        value: number;
    }
    interface WireEndReceiptRequestDigestFieldEvent {
        field: '$.receipt.requestDigest';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireEndReceiptModelKeyFieldEvent {
        field: '$.receipt.modelKey';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireEndReceiptPricePromptNanoFieldEvent {
        field: '$.receipt.price.promptNano';
        value: bigint;
    }
    interface WireEndReceiptPriceCompletionNanoFieldEvent {
        field: '$.receipt.price.completionNano';
        value: bigint;
    }
    interface WireEndReceiptPriceCachedNanoFieldEvent {
        field: '$.receipt.price.cachedNano';
        value: bigint;
    }
    interface WireEndReceiptUsagePromptTokensFieldEvent {
        field: '$.receipt.usage.promptTokens';
        value: number;
    }
    interface WireEndReceiptUsageCachedTokensFieldEvent {
        field: '$.receipt.usage.cachedTokens';
        value: number;
    }
    interface WireEndReceiptUsageCompletionTokensFieldEvent {
        field: '$.receipt.usage.completionTokens';
        value: number;
    }
    interface WireEndReceiptCostNanoFieldEvent {
        field: '$.receipt.costNano';
        value: bigint;
    }
    interface WireEndReceiptSignatureFieldEvent {
        field: '$.receipt.signature';
        value: Uint8Array<ArrayBuffer>;
    }
    function encode(obj: Partial<WireEnd>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireEnd>): WireEnd;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireEnd>): Generator<WireEndFinishFieldEvent | WireEndReceiptRequestDigestFieldEvent | WireEndReceiptModelKeyFieldEvent | WireEndReceiptPricePromptNanoFieldEvent | WireEndReceiptPriceCompletionNanoFieldEvent | WireEndReceiptPriceCachedNanoFieldEvent | WireEndReceiptUsagePromptTokensFieldEvent | WireEndReceiptUsageCachedTokensFieldEvent | WireEndReceiptUsageCompletionTokensFieldEvent | WireEndReceiptCostNanoFieldEvent | WireEndReceiptSignatureFieldEvent>;
}
export interface WireReceipt {
    requestDigest: Uint8Array<ArrayBuffer>;
    modelKey: Uint8Array<ArrayBuffer>;
    price?: WirePrice;
    usage?: WireUsage;
    costNano: bigint;
    signature: Uint8Array<ArrayBuffer>;
}
export declare namespace WireReceipt {
    const codec: () => Codec<WireReceipt>;
    interface WireReceiptRequestDigestFieldEvent {
        field: '$.requestDigest';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireReceiptModelKeyFieldEvent {
        field: '$.modelKey';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireReceiptPricePromptNanoFieldEvent {
        field: '$.price.promptNano';
        value: bigint;
    }
    interface WireReceiptPriceCompletionNanoFieldEvent {
        field: '$.price.completionNano';
        value: bigint;
    }
    interface WireReceiptPriceCachedNanoFieldEvent {
        field: '$.price.cachedNano';
        value: bigint;
    }
    interface WireReceiptUsagePromptTokensFieldEvent {
        field: '$.usage.promptTokens';
        value: number;
    }
    interface WireReceiptUsageCachedTokensFieldEvent {
        field: '$.usage.cachedTokens';
        value: number;
    }
    interface WireReceiptUsageCompletionTokensFieldEvent {
        field: '$.usage.completionTokens';
        value: number;
    }
    interface WireReceiptCostNanoFieldEvent {
        field: '$.costNano';
        value: bigint;
    }
    interface WireReceiptSignatureFieldEvent {
        field: '$.signature';
        value: Uint8Array<ArrayBuffer>;
    }
    function encode(obj: Partial<WireReceipt>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireReceipt>): WireReceipt;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireReceipt>): Generator<WireReceiptRequestDigestFieldEvent | WireReceiptModelKeyFieldEvent | WireReceiptPricePromptNanoFieldEvent | WireReceiptPriceCompletionNanoFieldEvent | WireReceiptPriceCachedNanoFieldEvent | WireReceiptUsagePromptTokensFieldEvent | WireReceiptUsageCachedTokensFieldEvent | WireReceiptUsageCompletionTokensFieldEvent | WireReceiptCostNanoFieldEvent | WireReceiptSignatureFieldEvent>;
}
export interface WireSettleRequest {
    vouchers: WireVoucher[];
}
export declare namespace WireSettleRequest {
    const codec: () => Codec<WireSettleRequest>;
    interface WireSettleRequestVouchersGlobalIdFieldEvent {
        field: '$.vouchers[].globalId';
        value: number;
        index: number;
    }
    interface WireSettleRequestVouchersEscrowFieldEvent {
        field: '$.vouchers[].escrow';
        value: Uint8Array<ArrayBuffer>;
        index: number;
    }
    interface WireSettleRequestVouchersEpochFieldEvent {
        field: '$.vouchers[].epoch';
        value: number;
        index: number;
    }
    interface WireSettleRequestVouchersPayeeFieldEvent {
        field: '$.vouchers[].payee';
        value: Uint8Array<ArrayBuffer>;
        index: number;
    }
    interface WireSettleRequestVouchersAmountNanoFieldEvent {
        field: '$.vouchers[].amountNano';
        value: bigint;
        index: number;
    }
    interface WireSettleRequestVouchersSignatureFieldEvent {
        field: '$.vouchers[].signature';
        value: Uint8Array<ArrayBuffer>;
        index: number;
    }
    function encode(obj: Partial<WireSettleRequest>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireSettleRequest>): WireSettleRequest;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireSettleRequest>): Generator<WireSettleRequestVouchersGlobalIdFieldEvent | WireSettleRequestVouchersEscrowFieldEvent | WireSettleRequestVouchersEpochFieldEvent | WireSettleRequestVouchersPayeeFieldEvent | WireSettleRequestVouchersAmountNanoFieldEvent | WireSettleRequestVouchersSignatureFieldEvent>;
}
export interface WireSettleReply {
    accepted: number;
    code: number;
    message: string;
}
export declare namespace WireSettleReply {
    const codec: () => Codec<WireSettleReply>;
    interface WireSettleReplyAcceptedFieldEvent {
        field: '$.accepted';
        value: number;
    }
    interface WireSettleReplyCodeFieldEvent {
        field: '$.code';
        value: number;
    }
    interface WireSettleReplyMessageFieldEvent {
        field: '$.message';
        value: string;
    }
    function encode(obj: Partial<WireSettleReply>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireSettleReply>): WireSettleReply;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireSettleReply>): Generator<WireSettleReplyAcceptedFieldEvent | WireSettleReplyCodeFieldEvent | WireSettleReplyMessageFieldEvent>;
}
