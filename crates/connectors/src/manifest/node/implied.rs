//! Which type a component has that does not say one: told by the field it stands in.

/// The type that a field implies for a component without `type`.
pub(super) fn type_of(parent: &str, field: &str) -> Option<&'static str> {
    Some(match (parent, field) {
        ("DeclarativeSource", "check") => "CheckStream",
        ("DeclarativeSource", "spec") => "Spec",
        ("DeclarativeSource", "streams")
        | ("DynamicDeclarativeStream", "stream_template")
        | ("ParentStreamConfig", "stream") => "DeclarativeStream",
        ("DeclarativeStream" | "HttpComponentsResolver" | "DynamicSchemaLoader", "retriever") => "SimpleRetriever",
        ("DeclarativeStream", "schema_loader") => "JsonFileSchemaLoader",
        ("DynamicDeclarativeStream", "components_resolver") => "ConfigComponentResolver",
        ("HttpComponentsResolver" | "ConfigComponentsResolver", "components_mapping") => "ComponentMappingDefinition",
        ("ConfigComponentsResolver", "stream_config") => "StreamConfig",
        ("SimpleRetriever", "requester") => "HttpRequester",
        ("SimpleRetriever", "record_selector") => "RecordSelector",
        ("SimpleRetriever", "paginator") => "NoPagination",
        ("RecordSelector", "extractor") => "DpathExtractor",
        ("RecordSelector", "record_filter") => "RecordFilter",
        ("RecordExpander", "parent_fields") => "ParentFieldPath",
        ("DpathExtractor", "record_expander") => "RecordExpander",
        ("DpathExtractor" | "CursorPagination" | "DefaultPaginator", "decoder") => "JsonDecoder",
        ("HttpRequester", "error_handler") | ("CompositeErrorHandler", "error_handlers") => "DefaultErrorHandler",
        ("DefaultErrorHandler", "response_filters") => "HttpResponseFilter",
        ("DatetimeBasedCursor", "start_datetime" | "end_datetime") => "MinMaxDatetime",
        ("DatetimeBasedCursor", "start_time_option" | "end_time_option")
        | ("DefaultPaginator", "page_size_option")
        | ("ListPartitionRouter" | "ParentStreamConfig", "request_option") => "RequestOption",
        ("SubstreamPartitionRouter" | "CustomPartitionRouter", "parent_stream_configs") => "ParentStreamConfig",
        ("AddFields", "fields") => "AddedFieldDefinition",
        ("SchemaTypeIdentifier", "types_map") => "TypesMap",
        _ => return None,
    })
}

/// The type that a field implies for a component that names a class and no type.
pub(super) fn custom_type_of(parent: &str, field: &str) -> Option<&'static str> {
    Some(match (parent, field) {
        ("CompositeErrorHandler" | "DefaultErrorHandler", "backoff_strategies") => "CustomBackoffStrategy",
        ("DeclarativeStream", "retriever") => "CustomRetriever",
        ("DeclarativeStream", "transformations") => "CustomTransformation",
        ("DefaultPaginator", "pagination_strategy") => "CustomPaginationStrategy",
        ("HttpRequester", "authenticator") => "CustomAuthenticator",
        ("HttpRequester", "error_handler") => "CustomErrorHandler",
        ("RecordSelector", "extractor") => "CustomRecordExtractor",
        ("SimpleRetriever", "partition_router") => "CustomPartitionRouter",
        _ => return None,
    })
}
