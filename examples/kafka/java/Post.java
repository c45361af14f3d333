import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericData.EnumSymbol;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.EncoderFactory;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Posts commands to Conclave with Kafka's own client and Avro: what a serializer of Confluent's would
 * do is the twenty lines of {@link #register} and {@link #framed}.
 *
 * <pre>mvn -q -f examples/kafka/java compile exec:java \
 *   -Dexec.args="127.0.0.1:9092 http://127.0.0.1:8081 conclave lab"</pre>
 *
 * The arguments, each of which may be left out from the right: brokers, registry, prefix of the topics,
 * pool. It starts in the repository's root. A pool with a node and a quota is made, and GPUs are asked
 * for in it; each command's place in the log is printed.
 */
public final class Post {
    private static final long HOUR_MS = 3_600_000;
    private final Schema schema;

    private Post(Schema schema) {
        this.schema = schema;
    }

    public static void main(String[] arguments) throws Exception {
        String[] given = {"127.0.0.1:9092", "http://127.0.0.1:8081", "conclave", "lab"};
        System.arraycopy(arguments, 0, given, 0, Math.min(arguments.length, given.length));
        var topic = given[2] + ".commands";
        var text = Files.readString(Path.of("schemas", "command.avsc"));
        var post = new Post(new Schema.Parser().parse(text));
        int id = register(given[1], topic + "-value", text);
        // No partitioner is set: the one that Java's client has is the one that Conclave computes.
        Map<String, Object> settings = Map.of("bootstrap.servers", given[0], "max.block.ms", 10_000);
        var waiting = new LinkedHashMap<String, Future<RecordMetadata>>();
        try (var producer =
                new KafkaProducer<>(settings, new StringSerializer(), new ByteArraySerializer())) {
            for (var command : post.commands(given[3])) {
                var value = post.framed(id, command);
                var name = command.get("command_id").toString();
                // The key is the pool's name.
                waiting.put(name, producer.send(new ProducerRecord<>(topic, given[3], value)));
            }
            for (var sent : waiting.entrySet()) {
                var at = sent.getValue().get();
                System.out.printf("%d:%d %s: posted%n", at.partition(), at.offset(), sent.getKey());
            }
        }
    }

    /** Registers the schema, or finds it registered, and gives the id that the registry has for it. */
    private static int register(String registry, String subject, String text)
            throws IOException, InterruptedException {
        var json = new ObjectMapper();
        var body = json.writeValueAsString(Map.of("schema", text));
        var request =
                HttpRequest.newBuilder(URI.create(registry + "/subjects/" + subject + "/versions"))
                        .header("Content-Type", "application/vnd.schemaregistry.v1+json")
                        .timeout(Duration.ofSeconds(10))
                        .POST(HttpRequest.BodyPublishers.ofString(body))
                        .build();
        var answer = HttpClient.newHttpClient().send(request, BodyHandlers.ofString());
        if (answer.statusCode() != 200) {
            throw new IOException(registry + ": " + answer.statusCode() + " " + answer.body());
        }
        return json.readTree(answer.body()).get("id").intValue();
    }

    /** A zero byte, the schema's id in four bytes with the highest first, the Avro datum. */
    private byte[] framed(int id, GenericRecord command) throws IOException {
        var out = new ByteArrayOutputStream();
        out.write(0);
        out.write(ByteBuffer.allocate(4).putInt(id).array());
        var encoder = EncoderFactory.get().binaryEncoder(out, null);
        new GenericDatumWriter<GenericRecord>(schema).write(command, encoder);
        encoder.flush();
        return out.toByteArray();
    }

    /** What to post, in order: the order of one pool's commands is the order they are decided in. */
    private List<GenericRecord> commands(String pool) {
        var operator = record("Actor", "tenant", "", "user", "ops", "role", "operator");
        var ada = record("Actor", "tenant", "vision", "user", "ada", "role", "tenant");
        var policy =
                record(
                        "SetPoolPolicy", "council", "advise", "lease_max_ms", 24 * HOUR_MS,
                        "lease_grace_ms", 60_000L, "wait_bound_ms", HOUR_MS,
                        "defer_retry_ms", 60_000L, "queue_max", 1_000L,
                        "placement", "best_fit", "target_workload", List.of(), "prices", List.of());
        var node =
                record(
                        "RegisterNode", "node", "node-a", "gpu_model", "A100", "gpu_count", 8L,
                        "cpu_milli", 64_000L, "memory_mib", 1_048_576L, "topology_group", "");
        var quota =
                record(
                        "SetQuota", "tenant", "vision", "guarantee_gpu_milli", 4_000L,
                        "limit_gpu_milli", 8_000L, "rate_per_minute", 600L, "borrow_gpu_milli", 0L,
                        "weight", 1L, "gpu_hour_budget", null, "budget_window_ms", 0L);
        var request =
                record(
                        "RequestAllocation", "request", "train", "tenant", "vision", "user", "ada",
                        "gpu_models", List.of("A100"), "replicas", 2L, "gpu_count", 2L,
                        "gpu_milli", 1_000L, "cpu_milli", 8_000L, "memory_mib", 65_536L,
                        "expected_duration_ms", HOUR_MS, "priority", 5L, "preemptible", false,
                        "deadline_ms", null, "budget_cap_micro_usd", null,
                        "topology", "none", "labels", List.of());
        var commands = new ArrayList<GenericRecord>();
        for (var payload : List.of(policy, node, quota, request)) {
            commands.add(
                    record(
                            "Command", "command_id", pool + "-" + payload.getSchema().getName(),
                            "pool", pool, "actor", payload == request ? ada : operator,
                            "submitted_at_ms", System.currentTimeMillis(), "payload", payload));
        }
        return commands;
    }

    /** A record of the schema by its name, with its fields as pairs of name and value. */
    private GenericRecord record(String name, Object... fields) {
        var type = name.equals("Command") ? schema : named(name);
        var record = new GenericData.Record(type);
        for (int i = 0; i < fields.length; i += 2) {
            var field = type.getField((String) fields[i]).schema();
            boolean isEnum = field.getType() == Schema.Type.ENUM;
            var value = isEnum ? new EnumSymbol(field, fields[i + 1]) : fields[i + 1];
            record.put((String) fields[i], value);
        }
        return record;
    }

    private Schema named(String name) {
        if (name.equals("Actor")) {
            return schema.getField("actor").schema();
        }
        var branches = schema.getField("payload").schema();
        return branches.getTypes().get(branches.getIndexNamed("conclave." + name));
    }
}
