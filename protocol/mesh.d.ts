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
    hubs: boolean;
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
    interface WireAdvertBodyHubsFieldEvent {
        field: '$.hubs';
        value: boolean;
    }
    function encode(obj: Partial<WireAdvertBody>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireAdvertBody>): WireAdvertBody;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireAdvertBody>): Generator<WireAdvertBodyPublicKeyFieldEvent | WireAdvertBodySequenceFieldEvent | WireAdvertBodyValidUntilMsFieldEvent | WireAdvertBodyPayoutFieldEvent | WireAdvertBodyOffersModelKeyFieldEvent | WireAdvertBodyOffersNameFieldEvent | WireAdvertBodyOffersContextTokensFieldEvent | WireAdvertBodyOffersPricePromptNanoFieldEvent | WireAdvertBodyOffersPriceCompletionNanoFieldEvent | WireAdvertBodyOffersPriceCachedNanoFieldEvent | WireAdvertBodyOffersSlotsFieldEvent | WireAdvertBodyOffersSlotsFreeFieldEvent | WireAdvertBodyOffersQueuedFieldEvent | WireAdvertBodyOffersPrefillTokensPerSecondFieldEvent | WireAdvertBodyOffersDecodeTokensPerSecondFieldEvent | WireAdvertBodyOffersFeaturesFieldEvent | WireAdvertBodyOffersVocabularySha256FieldEvent | WireAdvertBodyAddressesFieldEvent | WireAdvertBodyAgentFieldEvent | WireAdvertBodyHubsFieldEvent>;
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
    interface WireFrameOpenBestGrantConsumerFieldEvent {
        field: '$.open.best.grant.consumer';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireFrameOpenBestGrantAmountNanoFieldEvent {
        field: '$.open.best.grant.amountNano';
        value: bigint;
    }
    interface WireFrameOpenBestGrantSignatureFieldEvent {
        field: '$.open.best.grant.signature';
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
    interface WireFrameOpenHubFieldEvent {
        field: '$.open.hub';
        value: boolean;
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
    interface WireFrameVoucherGrantConsumerFieldEvent {
        field: '$.voucher.grant.consumer';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireFrameVoucherGrantAmountNanoFieldEvent {
        field: '$.voucher.grant.amountNano';
        value: bigint;
    }
    interface WireFrameVoucherGrantSignatureFieldEvent {
        field: '$.voucher.grant.signature';
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
    interface WireFrameAcceptTabBestGrantConsumerFieldEvent {
        field: '$.accept.tab.best.grant.consumer';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireFrameAcceptTabBestGrantAmountNanoFieldEvent {
        field: '$.accept.tab.best.grant.amountNano';
        value: bigint;
    }
    interface WireFrameAcceptTabBestGrantSignatureFieldEvent {
        field: '$.accept.tab.best.grant.signature';
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
    interface WireFrameTabBestGrantConsumerFieldEvent {
        field: '$.tab.best.grant.consumer';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireFrameTabBestGrantAmountNanoFieldEvent {
        field: '$.tab.best.grant.amountNano';
        value: bigint;
    }
    interface WireFrameTabBestGrantSignatureFieldEvent {
        field: '$.tab.best.grant.signature';
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
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireFrame>): Generator<WireFrameOpenRequestIdFieldEvent | WireFrameOpenModelKeyFieldEvent | WireFrameOpenMessagesRoleFieldEvent | WireFrameOpenMessagesContentFieldEvent | WireFrameOpenMessagesToolCallsIdFieldEvent | WireFrameOpenMessagesToolCallsNameFieldEvent | WireFrameOpenMessagesToolCallsArgumentsFieldEvent | WireFrameOpenMessagesToolCallIdFieldEvent | WireFrameOpenSamplingTemperatureFieldEvent | WireFrameOpenSamplingTopPFieldEvent | WireFrameOpenSamplingSeedFieldEvent | WireFrameOpenSamplingStopFieldEvent | WireFrameOpenSamplingTokensMaxFieldEvent | WireFrameOpenSamplingTopKFieldEvent | WireFrameOpenSamplingMinPFieldEvent | WireFrameOpenSamplingPresencePenaltyFieldEvent | WireFrameOpenSamplingFrequencyPenaltyFieldEvent | WireFrameOpenSamplingRepetitionPenaltyFieldEvent | WireFrameOpenSamplingLogitBiasTokenIdFieldEvent | WireFrameOpenSamplingLogitBiasBiasFieldEvent | WireFrameOpenSamplingFormatSchemaFieldEvent | WireFrameOpenSamplingLogprobsFieldEvent | WireFrameOpenPriceMaxPromptNanoFieldEvent | WireFrameOpenPriceMaxCompletionNanoFieldEvent | WireFrameOpenPriceMaxCachedNanoFieldEvent | WireFrameOpenEscrowFieldEvent | WireFrameOpenDeadlineMsFieldEvent | WireFrameOpenBestGlobalIdFieldEvent | WireFrameOpenBestEscrowFieldEvent | WireFrameOpenBestEpochFieldEvent | WireFrameOpenBestPayeeFieldEvent | WireFrameOpenBestAmountNanoFieldEvent | WireFrameOpenBestSignatureFieldEvent | WireFrameOpenBestGrantConsumerFieldEvent | WireFrameOpenBestGrantAmountNanoFieldEvent | WireFrameOpenBestGrantSignatureFieldEvent | WireFrameOpenResumeTextFieldEvent | WireFrameOpenResumeTokenIdsFieldEvent | WireFrameOpenTokensBudgetFieldEvent | WireFrameOpenToolsListNameFieldEvent | WireFrameOpenToolsListDescriptionFieldEvent | WireFrameOpenToolsListParametersFieldEvent | WireFrameOpenToolsChoiceFieldEvent | WireFrameOpenToolsNameFieldEvent | WireFrameOpenToolsParallelFieldEvent | WireFrameOpenTextFieldEvent | WireFrameOpenInputsFieldEvent | WireFrameOpenHubFieldEvent | WireFrameVoucherGlobalIdFieldEvent | WireFrameVoucherEscrowFieldEvent | WireFrameVoucherEpochFieldEvent | WireFrameVoucherPayeeFieldEvent | WireFrameVoucherAmountNanoFieldEvent | WireFrameVoucherSignatureFieldEvent | WireFrameVoucherGrantConsumerFieldEvent | WireFrameVoucherGrantAmountNanoFieldEvent | WireFrameVoucherGrantSignatureFieldEvent | WireFrameAcceptPricePromptNanoFieldEvent | WireFrameAcceptPriceCompletionNanoFieldEvent | WireFrameAcceptPriceCachedNanoFieldEvent | WireFrameAcceptPromptTokensFieldEvent | WireFrameAcceptCachedTokensFieldEvent | WireFrameAcceptCreditTokensFieldEvent | WireFrameAcceptTabOwedNanoFieldEvent | WireFrameAcceptTabBestGlobalIdFieldEvent | WireFrameAcceptTabBestEscrowFieldEvent | WireFrameAcceptTabBestEpochFieldEvent | WireFrameAcceptTabBestPayeeFieldEvent | WireFrameAcceptTabBestAmountNanoFieldEvent | WireFrameAcceptTabBestSignatureFieldEvent | WireFrameAcceptTabBestGrantConsumerFieldEvent | WireFrameAcceptTabBestGrantAmountNanoFieldEvent | WireFrameAcceptTabBestGrantSignatureFieldEvent | WireFrameAcceptTabEpochFieldEvent | WireFrameAcceptTabPayeeFieldEvent | WireFrameAcceptTabGlobalIdFieldEvent | WireFrameQueuedPositionFieldEvent | WireFrameQueuedEtaMsFieldEvent | WireFrameFailCodeFieldEvent | WireFrameFailMessageFieldEvent | WireFrameFailRetryAfterMsFieldEvent | WireFrameDeltaIndexFieldEvent | WireFrameDeltaTextFieldEvent | WireFrameDeltaTokensFieldEvent | WireFrameDeltaTokenIdsFieldEvent | WireFrameDeltaReasoningFieldEvent | WireFrameDeltaToolCallsIndexFieldEvent | WireFrameDeltaToolCallsIdFieldEvent | WireFrameDeltaToolCallsNameFieldEvent | WireFrameDeltaToolCallsArgumentsFieldEvent | WireFrameDeltaLogprobsBytesFieldEvent | WireFrameDeltaLogprobsLogprobFieldEvent | WireFrameDeltaLogprobsTopBytesFieldEvent | WireFrameDeltaLogprobsTopLogprobFieldEvent | WireFrameEndFinishFieldEvent | WireFrameEndReceiptRequestDigestFieldEvent | WireFrameEndReceiptModelKeyFieldEvent | WireFrameEndReceiptPricePromptNanoFieldEvent | WireFrameEndReceiptPriceCompletionNanoFieldEvent | WireFrameEndReceiptPriceCachedNanoFieldEvent | WireFrameEndReceiptUsagePromptTokensFieldEvent | WireFrameEndReceiptUsageCachedTokensFieldEvent | WireFrameEndReceiptUsageCompletionTokensFieldEvent | WireFrameEndReceiptCostNanoFieldEvent | WireFrameEndReceiptSignatureFieldEvent | WireFrameTabOwedNanoFieldEvent | WireFrameTabBestGlobalIdFieldEvent | WireFrameTabBestEscrowFieldEvent | WireFrameTabBestEpochFieldEvent | WireFrameTabBestPayeeFieldEvent | WireFrameTabBestAmountNanoFieldEvent | WireFrameTabBestSignatureFieldEvent | WireFrameTabBestGrantConsumerFieldEvent | WireFrameTabBestGrantAmountNanoFieldEvent | WireFrameTabBestGrantSignatureFieldEvent | WireFrameTabEpochFieldEvent | WireFrameTabPayeeFieldEvent | WireFrameTabGlobalIdFieldEvent | WireFrameEmbeddingIndexFieldEvent | WireFrameEmbeddingVectorFieldEvent>;
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
    hub?: boolean;
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
    interface WireOpenBestGrantConsumerFieldEvent {
        field: '$.best.grant.consumer';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireOpenBestGrantAmountNanoFieldEvent {
        field: '$.best.grant.amountNano';
        value: bigint;
    }
    interface WireOpenBestGrantSignatureFieldEvent {
        field: '$.best.grant.signature';
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
    interface WireOpenHubFieldEvent {
        field: '$.hub';
        value: boolean;
    }
    function encode(obj: Partial<WireOpen>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireOpen>): WireOpen;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireOpen>): Generator<WireOpenRequestIdFieldEvent | WireOpenModelKeyFieldEvent | WireOpenMessagesRoleFieldEvent | WireOpenMessagesContentFieldEvent | WireOpenMessagesToolCallsIdFieldEvent | WireOpenMessagesToolCallsNameFieldEvent | WireOpenMessagesToolCallsArgumentsFieldEvent | WireOpenMessagesToolCallIdFieldEvent | WireOpenSamplingTemperatureFieldEvent | WireOpenSamplingTopPFieldEvent | WireOpenSamplingSeedFieldEvent | WireOpenSamplingStopFieldEvent | WireOpenSamplingTokensMaxFieldEvent | WireOpenSamplingTopKFieldEvent | WireOpenSamplingMinPFieldEvent | WireOpenSamplingPresencePenaltyFieldEvent | WireOpenSamplingFrequencyPenaltyFieldEvent | WireOpenSamplingRepetitionPenaltyFieldEvent | WireOpenSamplingLogitBiasTokenIdFieldEvent | WireOpenSamplingLogitBiasBiasFieldEvent | WireOpenSamplingFormatSchemaFieldEvent | WireOpenSamplingLogprobsFieldEvent | WireOpenPriceMaxPromptNanoFieldEvent | WireOpenPriceMaxCompletionNanoFieldEvent | WireOpenPriceMaxCachedNanoFieldEvent | WireOpenEscrowFieldEvent | WireOpenDeadlineMsFieldEvent | WireOpenBestGlobalIdFieldEvent | WireOpenBestEscrowFieldEvent | WireOpenBestEpochFieldEvent | WireOpenBestPayeeFieldEvent | WireOpenBestAmountNanoFieldEvent | WireOpenBestSignatureFieldEvent | WireOpenBestGrantConsumerFieldEvent | WireOpenBestGrantAmountNanoFieldEvent | WireOpenBestGrantSignatureFieldEvent | WireOpenResumeTextFieldEvent | WireOpenResumeTokenIdsFieldEvent | WireOpenTokensBudgetFieldEvent | WireOpenToolsListNameFieldEvent | WireOpenToolsListDescriptionFieldEvent | WireOpenToolsListParametersFieldEvent | WireOpenToolsChoiceFieldEvent | WireOpenToolsNameFieldEvent | WireOpenToolsParallelFieldEvent | WireOpenTextFieldEvent | WireOpenInputsFieldEvent | WireOpenHubFieldEvent>;
}
export interface WireGrant {
    consumer: Uint8Array<ArrayBuffer>;
    amountNano: bigint;
    signature: Uint8Array<ArrayBuffer>;
}
export declare namespace WireGrant {
    const codec: () => Codec<WireGrant>;
    interface WireGrantConsumerFieldEvent {
        field: '$.consumer';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireGrantAmountNanoFieldEvent {
        field: '$.amountNano';
        value: bigint;
    }
    interface WireGrantSignatureFieldEvent {
        field: '$.signature';
        value: Uint8Array<ArrayBuffer>;
    }
    function encode(obj: Partial<WireGrant>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireGrant>): WireGrant;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireGrant>): Generator<WireGrantConsumerFieldEvent | WireGrantAmountNanoFieldEvent | WireGrantSignatureFieldEvent>;
}
export interface WireVoucher {
    globalId: number;
    escrow: Uint8Array<ArrayBuffer>;
    epoch: number;
    payee: Uint8Array<ArrayBuffer>;
    amountNano: bigint;
    signature: Uint8Array<ArrayBuffer>;
    grant?: WireGrant;
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
    interface WireVoucherGrantConsumerFieldEvent {
        field: '$.grant.consumer';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireVoucherGrantAmountNanoFieldEvent {
        field: '$.grant.amountNano';
        value: bigint;
    }
    interface WireVoucherGrantSignatureFieldEvent {
        field: '$.grant.signature';
        value: Uint8Array<ArrayBuffer>;
    }
    function encode(obj: Partial<WireVoucher>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireVoucher>): WireVoucher;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireVoucher>): Generator<WireVoucherGlobalIdFieldEvent | WireVoucherEscrowFieldEvent | WireVoucherEpochFieldEvent | WireVoucherPayeeFieldEvent | WireVoucherAmountNanoFieldEvent | WireVoucherSignatureFieldEvent | WireVoucherGrantConsumerFieldEvent | WireVoucherGrantAmountNanoFieldEvent | WireVoucherGrantSignatureFieldEvent>;
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
    interface WireAcceptTabBestGrantConsumerFieldEvent {
        field: '$.tab.best.grant.consumer';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireAcceptTabBestGrantAmountNanoFieldEvent {
        field: '$.tab.best.grant.amountNano';
        value: bigint;
    }
    interface WireAcceptTabBestGrantSignatureFieldEvent {
        field: '$.tab.best.grant.signature';
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
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireAccept>): Generator<WireAcceptPricePromptNanoFieldEvent | WireAcceptPriceCompletionNanoFieldEvent | WireAcceptPriceCachedNanoFieldEvent | WireAcceptPromptTokensFieldEvent | WireAcceptCachedTokensFieldEvent | WireAcceptCreditTokensFieldEvent | WireAcceptTabOwedNanoFieldEvent | WireAcceptTabBestGlobalIdFieldEvent | WireAcceptTabBestEscrowFieldEvent | WireAcceptTabBestEpochFieldEvent | WireAcceptTabBestPayeeFieldEvent | WireAcceptTabBestAmountNanoFieldEvent | WireAcceptTabBestSignatureFieldEvent | WireAcceptTabBestGrantConsumerFieldEvent | WireAcceptTabBestGrantAmountNanoFieldEvent | WireAcceptTabBestGrantSignatureFieldEvent | WireAcceptTabEpochFieldEvent | WireAcceptTabPayeeFieldEvent | WireAcceptTabGlobalIdFieldEvent>;
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
    interface WireTabBestGrantConsumerFieldEvent {
        field: '$.best.grant.consumer';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireTabBestGrantAmountNanoFieldEvent {
        field: '$.best.grant.amountNano';
        value: bigint;
    }
    interface WireTabBestGrantSignatureFieldEvent {
        field: '$.best.grant.signature';
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
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireTab>): Generator<WireTabOwedNanoFieldEvent | WireTabBestGlobalIdFieldEvent | WireTabBestEscrowFieldEvent | WireTabBestEpochFieldEvent | WireTabBestPayeeFieldEvent | WireTabBestAmountNanoFieldEvent | WireTabBestSignatureFieldEvent | WireTabBestGrantConsumerFieldEvent | WireTabBestGrantAmountNanoFieldEvent | WireTabBestGrantSignatureFieldEvent | WireTabEpochFieldEvent | WireTabPayeeFieldEvent | WireTabGlobalIdFieldEvent>;
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
    watch: boolean;
    escrow: Uint8Array<ArrayBuffer>;
    fee?: WireVoucher;
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
    interface WireSettleRequestVouchersGrantConsumerFieldEvent {
        field: '$.vouchers[].grant.consumer';
        value: Uint8Array<ArrayBuffer>;
        index: number;
    }
    interface WireSettleRequestVouchersGrantAmountNanoFieldEvent {
        field: '$.vouchers[].grant.amountNano';
        value: bigint;
        index: number;
    }
    interface WireSettleRequestVouchersGrantSignatureFieldEvent {
        field: '$.vouchers[].grant.signature';
        value: Uint8Array<ArrayBuffer>;
        index: number;
    }
    interface WireSettleRequestWatchFieldEvent {
        field: '$.watch';
        value: boolean;
    }
    interface WireSettleRequestEscrowFieldEvent {
        field: '$.escrow';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireSettleRequestFeeGlobalIdFieldEvent {
        field: '$.fee.globalId';
        value: number;
    }
    interface WireSettleRequestFeeEscrowFieldEvent {
        field: '$.fee.escrow';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireSettleRequestFeeEpochFieldEvent {
        field: '$.fee.epoch';
        value: number;
    }
    interface WireSettleRequestFeePayeeFieldEvent {
        field: '$.fee.payee';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireSettleRequestFeeAmountNanoFieldEvent {
        field: '$.fee.amountNano';
        value: bigint;
    }
    interface WireSettleRequestFeeSignatureFieldEvent {
        field: '$.fee.signature';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireSettleRequestFeeGrantConsumerFieldEvent {
        field: '$.fee.grant.consumer';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireSettleRequestFeeGrantAmountNanoFieldEvent {
        field: '$.fee.grant.amountNano';
        value: bigint;
    }
    interface WireSettleRequestFeeGrantSignatureFieldEvent {
        field: '$.fee.grant.signature';
        value: Uint8Array<ArrayBuffer>;
    }
    function encode(obj: Partial<WireSettleRequest>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireSettleRequest>): WireSettleRequest;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireSettleRequest>): Generator<WireSettleRequestVouchersGlobalIdFieldEvent | WireSettleRequestVouchersEscrowFieldEvent | WireSettleRequestVouchersEpochFieldEvent | WireSettleRequestVouchersPayeeFieldEvent | WireSettleRequestVouchersAmountNanoFieldEvent | WireSettleRequestVouchersSignatureFieldEvent | WireSettleRequestVouchersGrantConsumerFieldEvent | WireSettleRequestVouchersGrantAmountNanoFieldEvent | WireSettleRequestVouchersGrantSignatureFieldEvent | WireSettleRequestWatchFieldEvent | WireSettleRequestEscrowFieldEvent | WireSettleRequestFeeGlobalIdFieldEvent | WireSettleRequestFeeEscrowFieldEvent | WireSettleRequestFeeEpochFieldEvent | WireSettleRequestFeePayeeFieldEvent | WireSettleRequestFeeAmountNanoFieldEvent | WireSettleRequestFeeSignatureFieldEvent | WireSettleRequestFeeGrantConsumerFieldEvent | WireSettleRequestFeeGrantAmountNanoFieldEvent | WireSettleRequestFeeGrantSignatureFieldEvent>;
}
export interface WireSettleReply {
    accepted: number;
    code: number;
    message: string;
    fee?: WireTab;
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
    interface WireSettleReplyFeeOwedNanoFieldEvent {
        field: '$.fee.owedNano';
        value: bigint;
    }
    interface WireSettleReplyFeeBestGlobalIdFieldEvent {
        field: '$.fee.best.globalId';
        value: number;
    }
    interface WireSettleReplyFeeBestEscrowFieldEvent {
        field: '$.fee.best.escrow';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireSettleReplyFeeBestEpochFieldEvent {
        field: '$.fee.best.epoch';
        value: number;
    }
    interface WireSettleReplyFeeBestPayeeFieldEvent {
        field: '$.fee.best.payee';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireSettleReplyFeeBestAmountNanoFieldEvent {
        field: '$.fee.best.amountNano';
        value: bigint;
    }
    interface WireSettleReplyFeeBestSignatureFieldEvent {
        field: '$.fee.best.signature';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireSettleReplyFeeBestGrantConsumerFieldEvent {
        field: '$.fee.best.grant.consumer';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireSettleReplyFeeBestGrantAmountNanoFieldEvent {
        field: '$.fee.best.grant.amountNano';
        value: bigint;
    }
    interface WireSettleReplyFeeBestGrantSignatureFieldEvent {
        field: '$.fee.best.grant.signature';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireSettleReplyFeeEpochFieldEvent {
        field: '$.fee.epoch';
        value: number;
    }
    interface WireSettleReplyFeePayeeFieldEvent {
        field: '$.fee.payee';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireSettleReplyFeeGlobalIdFieldEvent {
        field: '$.fee.globalId';
        value: number;
    }
    function encode(obj: Partial<WireSettleReply>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireSettleReply>): WireSettleReply;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireSettleReply>): Generator<WireSettleReplyAcceptedFieldEvent | WireSettleReplyCodeFieldEvent | WireSettleReplyMessageFieldEvent | WireSettleReplyFeeOwedNanoFieldEvent | WireSettleReplyFeeBestGlobalIdFieldEvent | WireSettleReplyFeeBestEscrowFieldEvent | WireSettleReplyFeeBestEpochFieldEvent | WireSettleReplyFeeBestPayeeFieldEvent | WireSettleReplyFeeBestAmountNanoFieldEvent | WireSettleReplyFeeBestSignatureFieldEvent | WireSettleReplyFeeBestGrantConsumerFieldEvent | WireSettleReplyFeeBestGrantAmountNanoFieldEvent | WireSettleReplyFeeBestGrantSignatureFieldEvent | WireSettleReplyFeeEpochFieldEvent | WireSettleReplyFeePayeeFieldEvent | WireSettleReplyFeeGlobalIdFieldEvent>;
}
export interface WireSettlerBody {
    publicKey: Uint8Array<ArrayBuffer>;
    sequence: bigint;
    validUntilMs: bigint;
    payout: Uint8Array<ArrayBuffer>;
    feePpm: number;
    valueNanoMin: bigint;
    globalId: number;
    placesFree: number;
    watch: boolean;
    addresses: string[];
    agent: string;
}
export declare namespace WireSettlerBody {
    const codec: () => Codec<WireSettlerBody>;
    interface WireSettlerBodyPublicKeyFieldEvent {
        field: '$.publicKey';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireSettlerBodySequenceFieldEvent {
        field: '$.sequence';
        value: bigint;
    }
    interface WireSettlerBodyValidUntilMsFieldEvent {
        field: '$.validUntilMs';
        value: bigint;
    }
    interface WireSettlerBodyPayoutFieldEvent {
        field: '$.payout';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireSettlerBodyFeePpmFieldEvent {
        field: '$.feePpm';
        value: number;
    }
    interface WireSettlerBodyValueNanoMinFieldEvent {
        field: '$.valueNanoMin';
        value: bigint;
    }
    interface WireSettlerBodyGlobalIdFieldEvent {
        field: '$.globalId';
        value: number;
    }
    interface WireSettlerBodyPlacesFreeFieldEvent {
        field: '$.placesFree';
        value: number;
    }
    interface WireSettlerBodyWatchFieldEvent {
        field: '$.watch';
        value: boolean;
    }
    interface WireSettlerBodyAddressesFieldEvent {
        field: '$.addresses[]';
        index: number;
        value: string;
    }
    interface WireSettlerBodyAgentFieldEvent {
        field: '$.agent';
        value: string;
    }
    function encode(obj: Partial<WireSettlerBody>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireSettlerBody>): WireSettlerBody;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireSettlerBody>): Generator<WireSettlerBodyPublicKeyFieldEvent | WireSettlerBodySequenceFieldEvent | WireSettlerBodyValidUntilMsFieldEvent | WireSettlerBodyPayoutFieldEvent | WireSettlerBodyFeePpmFieldEvent | WireSettlerBodyValueNanoMinFieldEvent | WireSettlerBodyGlobalIdFieldEvent | WireSettlerBodyPlacesFreeFieldEvent | WireSettlerBodyWatchFieldEvent | WireSettlerBodyAddressesFieldEvent | WireSettlerBodyAgentFieldEvent>;
}
export interface WireHubFrame {
    hello?: WireHubHello;
    terms?: WireHubTerms;
    want?: WireHubWant;
    granted?: WireHubGranted;
    fail?: WireFail;
}
export declare namespace WireHubFrame {
    const codec: () => Codec<WireHubFrame>;
    interface WireHubFrameHelloEscrowFieldEvent {
        field: '$.hello.escrow';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireHubFrameHelloBestGlobalIdFieldEvent {
        field: '$.hello.best.globalId';
        value: number;
    }
    interface WireHubFrameHelloBestEscrowFieldEvent {
        field: '$.hello.best.escrow';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireHubFrameHelloBestEpochFieldEvent {
        field: '$.hello.best.epoch';
        value: number;
    }
    interface WireHubFrameHelloBestPayeeFieldEvent {
        field: '$.hello.best.payee';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireHubFrameHelloBestAmountNanoFieldEvent {
        field: '$.hello.best.amountNano';
        value: bigint;
    }
    interface WireHubFrameHelloBestSignatureFieldEvent {
        field: '$.hello.best.signature';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireHubFrameHelloBestGrantConsumerFieldEvent {
        field: '$.hello.best.grant.consumer';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireHubFrameHelloBestGrantAmountNanoFieldEvent {
        field: '$.hello.best.grant.amountNano';
        value: bigint;
    }
    interface WireHubFrameHelloBestGrantSignatureFieldEvent {
        field: '$.hello.best.grant.signature';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireHubFrameTermsEscrowFieldEvent {
        field: '$.terms.escrow';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireHubFrameTermsEpochFieldEvent {
        field: '$.terms.epoch';
        value: number;
    }
    interface WireHubFrameTermsFeePpmFieldEvent {
        field: '$.terms.feePpm';
        value: number;
    }
    interface WireHubFrameTermsIncrementNanoMaxFieldEvent {
        field: '$.terms.incrementNanoMax';
        value: bigint;
    }
    interface WireHubFrameTermsTabOwedNanoFieldEvent {
        field: '$.terms.tab.owedNano';
        value: bigint;
    }
    interface WireHubFrameTermsTabBestGlobalIdFieldEvent {
        field: '$.terms.tab.best.globalId';
        value: number;
    }
    interface WireHubFrameTermsTabBestEscrowFieldEvent {
        field: '$.terms.tab.best.escrow';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireHubFrameTermsTabBestEpochFieldEvent {
        field: '$.terms.tab.best.epoch';
        value: number;
    }
    interface WireHubFrameTermsTabBestPayeeFieldEvent {
        field: '$.terms.tab.best.payee';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireHubFrameTermsTabBestAmountNanoFieldEvent {
        field: '$.terms.tab.best.amountNano';
        value: bigint;
    }
    interface WireHubFrameTermsTabBestSignatureFieldEvent {
        field: '$.terms.tab.best.signature';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireHubFrameTermsTabBestGrantConsumerFieldEvent {
        field: '$.terms.tab.best.grant.consumer';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireHubFrameTermsTabBestGrantAmountNanoFieldEvent {
        field: '$.terms.tab.best.grant.amountNano';
        value: bigint;
    }
    interface WireHubFrameTermsTabBestGrantSignatureFieldEvent {
        field: '$.terms.tab.best.grant.signature';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireHubFrameTermsTabEpochFieldEvent {
        field: '$.terms.tab.epoch';
        value: number;
    }
    interface WireHubFrameTermsTabPayeeFieldEvent {
        field: '$.terms.tab.payee';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireHubFrameTermsTabGlobalIdFieldEvent {
        field: '$.terms.tab.globalId';
        value: number;
    }
    interface WireHubFrameWantPayeeFieldEvent {
        field: '$.want.payee';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireHubFrameWantCreditNanoFieldEvent {
        field: '$.want.creditNano';
        value: bigint;
    }
    interface WireHubFrameWantVoucherGlobalIdFieldEvent {
        field: '$.want.voucher.globalId';
        value: number;
    }
    interface WireHubFrameWantVoucherEscrowFieldEvent {
        field: '$.want.voucher.escrow';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireHubFrameWantVoucherEpochFieldEvent {
        field: '$.want.voucher.epoch';
        value: number;
    }
    interface WireHubFrameWantVoucherPayeeFieldEvent {
        field: '$.want.voucher.payee';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireHubFrameWantVoucherAmountNanoFieldEvent {
        field: '$.want.voucher.amountNano';
        value: bigint;
    }
    interface WireHubFrameWantVoucherSignatureFieldEvent {
        field: '$.want.voucher.signature';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireHubFrameWantVoucherGrantConsumerFieldEvent {
        field: '$.want.voucher.grant.consumer';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireHubFrameWantVoucherGrantAmountNanoFieldEvent {
        field: '$.want.voucher.grant.amountNano';
        value: bigint;
    }
    interface WireHubFrameWantVoucherGrantSignatureFieldEvent {
        field: '$.want.voucher.grant.signature';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireHubFrameWantHeldGlobalIdFieldEvent {
        field: '$.want.held.globalId';
        value: number;
    }
    interface WireHubFrameWantHeldEscrowFieldEvent {
        field: '$.want.held.escrow';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireHubFrameWantHeldEpochFieldEvent {
        field: '$.want.held.epoch';
        value: number;
    }
    interface WireHubFrameWantHeldPayeeFieldEvent {
        field: '$.want.held.payee';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireHubFrameWantHeldAmountNanoFieldEvent {
        field: '$.want.held.amountNano';
        value: bigint;
    }
    interface WireHubFrameWantHeldSignatureFieldEvent {
        field: '$.want.held.signature';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireHubFrameWantHeldGrantConsumerFieldEvent {
        field: '$.want.held.grant.consumer';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireHubFrameWantHeldGrantAmountNanoFieldEvent {
        field: '$.want.held.grant.amountNano';
        value: bigint;
    }
    interface WireHubFrameWantHeldGrantSignatureFieldEvent {
        field: '$.want.held.grant.signature';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireHubFrameGrantedVoucherGlobalIdFieldEvent {
        field: '$.granted.voucher.globalId';
        value: number;
    }
    interface WireHubFrameGrantedVoucherEscrowFieldEvent {
        field: '$.granted.voucher.escrow';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireHubFrameGrantedVoucherEpochFieldEvent {
        field: '$.granted.voucher.epoch';
        value: number;
    }
    interface WireHubFrameGrantedVoucherPayeeFieldEvent {
        field: '$.granted.voucher.payee';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireHubFrameGrantedVoucherAmountNanoFieldEvent {
        field: '$.granted.voucher.amountNano';
        value: bigint;
    }
    interface WireHubFrameGrantedVoucherSignatureFieldEvent {
        field: '$.granted.voucher.signature';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireHubFrameGrantedVoucherGrantConsumerFieldEvent {
        field: '$.granted.voucher.grant.consumer';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireHubFrameGrantedVoucherGrantAmountNanoFieldEvent {
        field: '$.granted.voucher.grant.amountNano';
        value: bigint;
    }
    interface WireHubFrameGrantedVoucherGrantSignatureFieldEvent {
        field: '$.granted.voucher.grant.signature';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireHubFrameGrantedOwedNanoFieldEvent {
        field: '$.granted.owedNano';
        value: bigint;
    }
    interface WireHubFrameFailCodeFieldEvent {
        field: '$.fail.code';
        value: number;
    }
    interface WireHubFrameFailMessageFieldEvent {
        field: '$.fail.message';
        value: string;
    }
    interface WireHubFrameFailRetryAfterMsFieldEvent {
        field: '$.fail.retryAfterMs';
        value: number;
    }
    function encode(obj: Partial<WireHubFrame>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireHubFrame>): WireHubFrame;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireHubFrame>): Generator<WireHubFrameHelloEscrowFieldEvent | WireHubFrameHelloBestGlobalIdFieldEvent | WireHubFrameHelloBestEscrowFieldEvent | WireHubFrameHelloBestEpochFieldEvent | WireHubFrameHelloBestPayeeFieldEvent | WireHubFrameHelloBestAmountNanoFieldEvent | WireHubFrameHelloBestSignatureFieldEvent | WireHubFrameHelloBestGrantConsumerFieldEvent | WireHubFrameHelloBestGrantAmountNanoFieldEvent | WireHubFrameHelloBestGrantSignatureFieldEvent | WireHubFrameTermsEscrowFieldEvent | WireHubFrameTermsEpochFieldEvent | WireHubFrameTermsFeePpmFieldEvent | WireHubFrameTermsIncrementNanoMaxFieldEvent | WireHubFrameTermsTabOwedNanoFieldEvent | WireHubFrameTermsTabBestGlobalIdFieldEvent | WireHubFrameTermsTabBestEscrowFieldEvent | WireHubFrameTermsTabBestEpochFieldEvent | WireHubFrameTermsTabBestPayeeFieldEvent | WireHubFrameTermsTabBestAmountNanoFieldEvent | WireHubFrameTermsTabBestSignatureFieldEvent | WireHubFrameTermsTabBestGrantConsumerFieldEvent | WireHubFrameTermsTabBestGrantAmountNanoFieldEvent | WireHubFrameTermsTabBestGrantSignatureFieldEvent | WireHubFrameTermsTabEpochFieldEvent | WireHubFrameTermsTabPayeeFieldEvent | WireHubFrameTermsTabGlobalIdFieldEvent | WireHubFrameWantPayeeFieldEvent | WireHubFrameWantCreditNanoFieldEvent | WireHubFrameWantVoucherGlobalIdFieldEvent | WireHubFrameWantVoucherEscrowFieldEvent | WireHubFrameWantVoucherEpochFieldEvent | WireHubFrameWantVoucherPayeeFieldEvent | WireHubFrameWantVoucherAmountNanoFieldEvent | WireHubFrameWantVoucherSignatureFieldEvent | WireHubFrameWantVoucherGrantConsumerFieldEvent | WireHubFrameWantVoucherGrantAmountNanoFieldEvent | WireHubFrameWantVoucherGrantSignatureFieldEvent | WireHubFrameWantHeldGlobalIdFieldEvent | WireHubFrameWantHeldEscrowFieldEvent | WireHubFrameWantHeldEpochFieldEvent | WireHubFrameWantHeldPayeeFieldEvent | WireHubFrameWantHeldAmountNanoFieldEvent | WireHubFrameWantHeldSignatureFieldEvent | WireHubFrameWantHeldGrantConsumerFieldEvent | WireHubFrameWantHeldGrantAmountNanoFieldEvent | WireHubFrameWantHeldGrantSignatureFieldEvent | WireHubFrameGrantedVoucherGlobalIdFieldEvent | WireHubFrameGrantedVoucherEscrowFieldEvent | WireHubFrameGrantedVoucherEpochFieldEvent | WireHubFrameGrantedVoucherPayeeFieldEvent | WireHubFrameGrantedVoucherAmountNanoFieldEvent | WireHubFrameGrantedVoucherSignatureFieldEvent | WireHubFrameGrantedVoucherGrantConsumerFieldEvent | WireHubFrameGrantedVoucherGrantAmountNanoFieldEvent | WireHubFrameGrantedVoucherGrantSignatureFieldEvent | WireHubFrameGrantedOwedNanoFieldEvent | WireHubFrameFailCodeFieldEvent | WireHubFrameFailMessageFieldEvent | WireHubFrameFailRetryAfterMsFieldEvent>;
}
export interface WireHubHello {
    escrow: Uint8Array<ArrayBuffer>;
    best?: WireVoucher;
}
export declare namespace WireHubHello {
    const codec: () => Codec<WireHubHello>;
    interface WireHubHelloEscrowFieldEvent {
        field: '$.escrow';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireHubHelloBestGlobalIdFieldEvent {
        field: '$.best.globalId';
        value: number;
    }
    interface WireHubHelloBestEscrowFieldEvent {
        field: '$.best.escrow';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireHubHelloBestEpochFieldEvent {
        field: '$.best.epoch';
        value: number;
    }
    interface WireHubHelloBestPayeeFieldEvent {
        field: '$.best.payee';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireHubHelloBestAmountNanoFieldEvent {
        field: '$.best.amountNano';
        value: bigint;
    }
    interface WireHubHelloBestSignatureFieldEvent {
        field: '$.best.signature';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireHubHelloBestGrantConsumerFieldEvent {
        field: '$.best.grant.consumer';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireHubHelloBestGrantAmountNanoFieldEvent {
        field: '$.best.grant.amountNano';
        value: bigint;
    }
    interface WireHubHelloBestGrantSignatureFieldEvent {
        field: '$.best.grant.signature';
        value: Uint8Array<ArrayBuffer>;
    }
    function encode(obj: Partial<WireHubHello>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireHubHello>): WireHubHello;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireHubHello>): Generator<WireHubHelloEscrowFieldEvent | WireHubHelloBestGlobalIdFieldEvent | WireHubHelloBestEscrowFieldEvent | WireHubHelloBestEpochFieldEvent | WireHubHelloBestPayeeFieldEvent | WireHubHelloBestAmountNanoFieldEvent | WireHubHelloBestSignatureFieldEvent | WireHubHelloBestGrantConsumerFieldEvent | WireHubHelloBestGrantAmountNanoFieldEvent | WireHubHelloBestGrantSignatureFieldEvent>;
}
export interface WireHubTerms {
    escrow: Uint8Array<ArrayBuffer>;
    epoch: number;
    feePpm: number;
    incrementNanoMax: bigint;
    tab?: WireTab;
}
export declare namespace WireHubTerms {
    const codec: () => Codec<WireHubTerms>;
    interface WireHubTermsEscrowFieldEvent {
        field: '$.escrow';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireHubTermsEpochFieldEvent {
        field: '$.epoch';
        value: number;
    }
    interface WireHubTermsFeePpmFieldEvent {
        field: '$.feePpm';
        value: number;
    }
    interface WireHubTermsIncrementNanoMaxFieldEvent {
        field: '$.incrementNanoMax';
        value: bigint;
    }
    interface WireHubTermsTabOwedNanoFieldEvent {
        field: '$.tab.owedNano';
        value: bigint;
    }
    interface WireHubTermsTabBestGlobalIdFieldEvent {
        field: '$.tab.best.globalId';
        value: number;
    }
    interface WireHubTermsTabBestEscrowFieldEvent {
        field: '$.tab.best.escrow';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireHubTermsTabBestEpochFieldEvent {
        field: '$.tab.best.epoch';
        value: number;
    }
    interface WireHubTermsTabBestPayeeFieldEvent {
        field: '$.tab.best.payee';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireHubTermsTabBestAmountNanoFieldEvent {
        field: '$.tab.best.amountNano';
        value: bigint;
    }
    interface WireHubTermsTabBestSignatureFieldEvent {
        field: '$.tab.best.signature';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireHubTermsTabBestGrantConsumerFieldEvent {
        field: '$.tab.best.grant.consumer';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireHubTermsTabBestGrantAmountNanoFieldEvent {
        field: '$.tab.best.grant.amountNano';
        value: bigint;
    }
    interface WireHubTermsTabBestGrantSignatureFieldEvent {
        field: '$.tab.best.grant.signature';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireHubTermsTabEpochFieldEvent {
        field: '$.tab.epoch';
        value: number;
    }
    interface WireHubTermsTabPayeeFieldEvent {
        field: '$.tab.payee';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireHubTermsTabGlobalIdFieldEvent {
        field: '$.tab.globalId';
        value: number;
    }
    function encode(obj: Partial<WireHubTerms>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireHubTerms>): WireHubTerms;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireHubTerms>): Generator<WireHubTermsEscrowFieldEvent | WireHubTermsEpochFieldEvent | WireHubTermsFeePpmFieldEvent | WireHubTermsIncrementNanoMaxFieldEvent | WireHubTermsTabOwedNanoFieldEvent | WireHubTermsTabBestGlobalIdFieldEvent | WireHubTermsTabBestEscrowFieldEvent | WireHubTermsTabBestEpochFieldEvent | WireHubTermsTabBestPayeeFieldEvent | WireHubTermsTabBestAmountNanoFieldEvent | WireHubTermsTabBestSignatureFieldEvent | WireHubTermsTabBestGrantConsumerFieldEvent | WireHubTermsTabBestGrantAmountNanoFieldEvent | WireHubTermsTabBestGrantSignatureFieldEvent | WireHubTermsTabEpochFieldEvent | WireHubTermsTabPayeeFieldEvent | WireHubTermsTabGlobalIdFieldEvent>;
}
export interface WireHubWant {
    payee: Uint8Array<ArrayBuffer>;
    creditNano: bigint;
    voucher?: WireVoucher;
    held?: WireVoucher;
}
export declare namespace WireHubWant {
    const codec: () => Codec<WireHubWant>;
    interface WireHubWantPayeeFieldEvent {
        field: '$.payee';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireHubWantCreditNanoFieldEvent {
        field: '$.creditNano';
        value: bigint;
    }
    interface WireHubWantVoucherGlobalIdFieldEvent {
        field: '$.voucher.globalId';
        value: number;
    }
    interface WireHubWantVoucherEscrowFieldEvent {
        field: '$.voucher.escrow';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireHubWantVoucherEpochFieldEvent {
        field: '$.voucher.epoch';
        value: number;
    }
    interface WireHubWantVoucherPayeeFieldEvent {
        field: '$.voucher.payee';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireHubWantVoucherAmountNanoFieldEvent {
        field: '$.voucher.amountNano';
        value: bigint;
    }
    interface WireHubWantVoucherSignatureFieldEvent {
        field: '$.voucher.signature';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireHubWantVoucherGrantConsumerFieldEvent {
        field: '$.voucher.grant.consumer';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireHubWantVoucherGrantAmountNanoFieldEvent {
        field: '$.voucher.grant.amountNano';
        value: bigint;
    }
    interface WireHubWantVoucherGrantSignatureFieldEvent {
        field: '$.voucher.grant.signature';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireHubWantHeldGlobalIdFieldEvent {
        field: '$.held.globalId';
        value: number;
    }
    interface WireHubWantHeldEscrowFieldEvent {
        field: '$.held.escrow';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireHubWantHeldEpochFieldEvent {
        field: '$.held.epoch';
        value: number;
    }
    interface WireHubWantHeldPayeeFieldEvent {
        field: '$.held.payee';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireHubWantHeldAmountNanoFieldEvent {
        field: '$.held.amountNano';
        value: bigint;
    }
    interface WireHubWantHeldSignatureFieldEvent {
        field: '$.held.signature';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireHubWantHeldGrantConsumerFieldEvent {
        field: '$.held.grant.consumer';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireHubWantHeldGrantAmountNanoFieldEvent {
        field: '$.held.grant.amountNano';
        value: bigint;
    }
    interface WireHubWantHeldGrantSignatureFieldEvent {
        field: '$.held.grant.signature';
        value: Uint8Array<ArrayBuffer>;
    }
    function encode(obj: Partial<WireHubWant>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireHubWant>): WireHubWant;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireHubWant>): Generator<WireHubWantPayeeFieldEvent | WireHubWantCreditNanoFieldEvent | WireHubWantVoucherGlobalIdFieldEvent | WireHubWantVoucherEscrowFieldEvent | WireHubWantVoucherEpochFieldEvent | WireHubWantVoucherPayeeFieldEvent | WireHubWantVoucherAmountNanoFieldEvent | WireHubWantVoucherSignatureFieldEvent | WireHubWantVoucherGrantConsumerFieldEvent | WireHubWantVoucherGrantAmountNanoFieldEvent | WireHubWantVoucherGrantSignatureFieldEvent | WireHubWantHeldGlobalIdFieldEvent | WireHubWantHeldEscrowFieldEvent | WireHubWantHeldEpochFieldEvent | WireHubWantHeldPayeeFieldEvent | WireHubWantHeldAmountNanoFieldEvent | WireHubWantHeldSignatureFieldEvent | WireHubWantHeldGrantConsumerFieldEvent | WireHubWantHeldGrantAmountNanoFieldEvent | WireHubWantHeldGrantSignatureFieldEvent>;
}
export interface WireHubGranted {
    voucher?: WireVoucher;
    owedNano: bigint;
}
export declare namespace WireHubGranted {
    const codec: () => Codec<WireHubGranted>;
    interface WireHubGrantedVoucherGlobalIdFieldEvent {
        field: '$.voucher.globalId';
        value: number;
    }
    interface WireHubGrantedVoucherEscrowFieldEvent {
        field: '$.voucher.escrow';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireHubGrantedVoucherEpochFieldEvent {
        field: '$.voucher.epoch';
        value: number;
    }
    interface WireHubGrantedVoucherPayeeFieldEvent {
        field: '$.voucher.payee';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireHubGrantedVoucherAmountNanoFieldEvent {
        field: '$.voucher.amountNano';
        value: bigint;
    }
    interface WireHubGrantedVoucherSignatureFieldEvent {
        field: '$.voucher.signature';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireHubGrantedVoucherGrantConsumerFieldEvent {
        field: '$.voucher.grant.consumer';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireHubGrantedVoucherGrantAmountNanoFieldEvent {
        field: '$.voucher.grant.amountNano';
        value: bigint;
    }
    interface WireHubGrantedVoucherGrantSignatureFieldEvent {
        field: '$.voucher.grant.signature';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireHubGrantedOwedNanoFieldEvent {
        field: '$.owedNano';
        value: bigint;
    }
    function encode(obj: Partial<WireHubGranted>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireHubGranted>): WireHubGranted;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireHubGranted>): Generator<WireHubGrantedVoucherGlobalIdFieldEvent | WireHubGrantedVoucherEscrowFieldEvent | WireHubGrantedVoucherEpochFieldEvent | WireHubGrantedVoucherPayeeFieldEvent | WireHubGrantedVoucherAmountNanoFieldEvent | WireHubGrantedVoucherSignatureFieldEvent | WireHubGrantedVoucherGrantConsumerFieldEvent | WireHubGrantedVoucherGrantAmountNanoFieldEvent | WireHubGrantedVoucherGrantSignatureFieldEvent | WireHubGrantedOwedNanoFieldEvent>;
}
