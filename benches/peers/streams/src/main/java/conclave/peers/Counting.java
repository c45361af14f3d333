package conclave.peers;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.atomic.LongAdder;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * The least that an event-sourced service does on Kafka Streams: per record one update of a counting
 * store and one record forwarded, exactly once. Ends once {@code records} records are committed.
 *
 * <p>Arguments are NAME=VALUE: brokers, input, output, application, records, threads,
 * valueBytes and headerBytes (of each record forwarded), state (a directory), and any setting of
 * Kafka Streams. Everything else is as the library sets it.
 */
public final class Counting {
    private static final String STORE = "counts";
    private static final Duration LOOK = Duration.ofMillis(100);
    private static final LongAdder PROCESSED = new LongAdder();

    private Counting() {}

    public static void main(String[] args) throws Exception {
        Map<String, String> given = new HashMap<>();
        for (String arg : args) {
            String[] pair = arg.split("=", 2);
            given.put(pair[0], pair[1]);
        }
        String brokers = take(given, "brokers");
        String application = take(given, "application");
        String input = take(given, "input");
        long records = Long.parseLong(take(given, "records"));
        Topology topology = topology(input, given);
        Properties settings = new Properties();
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, brokers);
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, application);
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, take(given, "threads"));
        settings.put(StreamsConfig.STATE_DIR_CONFIG, take(given, "state"));
        settings.put("auto.offset.reset", "earliest");
        settings.putAll(given);
        try (KafkaStreams streams = new KafkaStreams(topology, settings);
                Admin admin = Admin.create(Map.<String, Object>of("bootstrap.servers", brokers))) {
            streams.start();
            while (committed(admin, application, input) < records) {
                if (streams.state() == KafkaStreams.State.ERROR) {
                    throw new IllegalStateException("Kafka Streams stopped: see above");
                }
                Thread.sleep(LOOK.toMillis());
            }
        }
        System.out.println("{\"processed\":" + PROCESSED.sum() + "}");
    }

    private static String take(Map<String, String> given, String name) {
        String value = given.remove(name);
        if (value == null) {
            throw new IllegalArgumentException("give " + name + "=VALUE");
        }
        return value;
    }

    private static Topology topology(String input, Map<String, String> given) {
        int valueBytes = Integer.parseInt(take(given, "valueBytes"));
        int headerBytes = Integer.parseInt(take(given, "headerBytes"));
        Topology topology = new Topology();
        topology.addSource(
                "commands", new ByteArrayDeserializer(), new ByteArrayDeserializer(), input);
        topology.addProcessor("count", () -> new Count(valueBytes, headerBytes), "commands");
        topology.addStateStore(
                Stores.keyValueStoreBuilder(
                        Stores.persistentKeyValueStore(STORE), Serdes.ByteArray(), Serdes.Long()),
                "count");
        topology.addSink(
                "decisions",
                take(given, "output"),
                new ByteArraySerializer(),
                new ByteArraySerializer(),
                "count");
        return topology;
    }

    /** Bytes of {@code from} as often as they go in: they compress as real ones do. */
    private static byte[] repeated(byte[] from, int length) {
        byte[] bytes = new byte[length];
        for (int at = 0; at < length; at += from.length) {
            System.arraycopy(from, 0, bytes, at, Math.min(from.length, length - at));
        }
        return bytes;
    }

    /** Records of {@code input} that the application has committed. */
    private static long committed(Admin admin, String application, String input) throws Exception {
        return admin
                .listConsumerGroupOffsets(application)
                .partitionsToOffsetAndMetadata()
                .get()
                .entrySet()
                .stream()
                .filter(entry -> entry.getKey().topic().equals(input) && entry.getValue() != null)
                .map(Map.Entry::getValue)
                .mapToLong(OffsetAndMetadata::offset)
                .sum();
    }

    /** Counts the records of each key and forwards one record for each. */
    private static final class Count implements Processor<byte[], byte[], byte[], byte[]> {
        private final int valueBytes;
        private final int headerBytes;
        private ProcessorContext<byte[], byte[]> context;
        private KeyValueStore<byte[], Long> counts;

        Count(int valueBytes, int headerBytes) {
            this.valueBytes = valueBytes;
            this.headerBytes = headerBytes;
        }

        @Override
        public void init(ProcessorContext<byte[], byte[]> context) {
            this.context = context;
            this.counts = context.getStateStore(STORE);
        }

        @Override
        public void process(Record<byte[], byte[]> command) {
            Long before = counts.get(command.key());
            counts.put(command.key(), before == null ? 1 : before + 1);
            String offset = Long.toString(context.recordMetadata().orElseThrow().offset());
            Headers headers = new RecordHeaders();
            headers.add("command_offset", offset.getBytes(StandardCharsets.US_ASCII));
            headers.add("envelope", repeated(command.value(), headerBytes));
            byte[] value = repeated(command.value(), valueBytes);
            context.forward(new Record<>(command.key(), value, command.timestamp(), headers));
            PROCESSED.increment();
        }
    }
}
