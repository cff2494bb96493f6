using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;

namespace TorchSharp;

/// <summary>The functions that libtorch calls back; one call's state travels with them as a GC handle.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct Callbacks
{
    internal delegate* unmanaged<nint, nint, nint, int> Forward;
    internal delegate* unmanaged<nint, nint, nint*, long, nint, int> Backward;
    internal delegate* unmanaged<nint, void> Release;
}

/// <summary>One application of a function that is written in managed code: alive as long as the graph holds it.</summary>
internal sealed unsafe class FunctionCall
{
    private readonly torch.autograd.AutogradContext context = new();
    private readonly object?[] arguments;
    private readonly bool[] isTensor;
    private readonly Func<torch.autograd.AutogradContext, object?[], List<torch.Tensor>> forward;
    private readonly Func<torch.autograd.AutogradContext, List<torch.Tensor>, List<torch.Tensor>> backward;
    private readonly string name;
    private Exception? thrown;

    private FunctionCall(
        string name,
        object?[] arguments,
        Func<torch.autograd.AutogradContext, object?[], List<torch.Tensor>> forward,
        Func<torch.autograd.AutogradContext, List<torch.Tensor>, List<torch.Tensor>> backward)
    {
        this.name = name;
        this.arguments = arguments;
        this.forward = forward;
        this.backward = backward;
        isTensor = Array.ConvertAll(arguments, static a => a is torch.Tensor { IsInvalid: false });
    }

    internal static List<torch.Tensor> Apply(
        string name,
        object?[] arguments,
        Func<torch.autograd.AutogradContext, object?[], List<torch.Tensor>> forward,
        Func<torch.autograd.AutogradContext, List<torch.Tensor>, List<torch.Tensor>> backward)
    {
        var call = new FunctionCall(name, arguments, forward, backward);
        torch.Tensor[] inputs = [.. arguments.OfType<torch.Tensor>().Where(static t => !t.IsInvalid)];
        var callbacks = new Callbacks { Forward = &OnForward, Backward = &OnBackward, Release = &OnRelease };
        nint* items;
        long count;
        fixed (nint* handles = torch.Tensor.HandlesOf(inputs))
        {
            // libtorch releases the handle, at the latest when this call fails.
            count = Native.ts_function_apply(handles, inputs.Length, (void*)GCHandle.ToIntPtr(GCHandle.Alloc(call)), callbacks, &items);
        }

        GC.KeepAlive(inputs);
        if (count < 0 && call.thrown is { } thrown) ExceptionDispatchInfo.Throw(thrown);
        return [.. torch.Tensor.OwnMany(count, items)];
    }

    [UnmanagedCallersOnly]
    private static int OnForward(nint state, nint native, nint outputs)
    {
        FunctionCall call = Of(state);
        try
        {
            call.context.Handle = native;
            Return(call.forward(call.context, call.arguments), outputs);
            return 0;
        }
        catch (Exception e)
        {
            // No managed exception may cross native frames: the caller of apply throws it again.
            call.thrown = e;
            return Native.Fail(e);
        }
    }

    [UnmanagedCallersOnly]
    private static int OnBackward(nint state, nint native, nint* grads, long count, nint outputs)
    {
        FunctionCall call = Of(state);
        try
        {
            var given = new List<torch.Tensor>();
            for (long i = 0; i < count; i++) given.Add(new torch.Tensor(grads[i]));
            call.context.Handle = native;
            Return(call.OfTensors(call.backward(call.context, given)), outputs);
            return 0;
        }
        catch (Exception e)
        {
            return Native.Fail(e);
        }
    }

    [UnmanagedCallersOnly]
    private static void OnRelease(nint state) => GCHandle.FromIntPtr(state).Free();

    private static FunctionCall Of(nint state) => (FunctionCall)GCHandle.FromIntPtr(state).Target!;

    private static void Return(IEnumerable<torch.Tensor?> tensors, nint outputs)
    {
        foreach (torch.Tensor? tensor in tensors)
        {
            Native.Check(Native.ts_list_add(outputs, tensor is null or { IsInvalid: true } ? 0 : tensor.Handle));
            GC.KeepAlive(tensor);
        }
    }

    /// <summary>Of one gradient for each argument, those whose argument is a tensor.</summary>
    private List<torch.Tensor?> OfTensors(List<torch.Tensor> gradients)
    {
        static bool Undefined(torch.Tensor? t) => t is null or { IsInvalid: true };
        if (gradients.Count > isTensor.Length && gradients.Skip(isTensor.Length).All(Undefined))
        {
            gradients = gradients[..isTensor.Length];
        }

        if (gradients.Count != isTensor.Length)
        {
            throw new InvalidOperationException(
                $"Function {name} returned {gradients.Count} gradients, but its forward has {isTensor.Length} arguments.");
        }

        var kept = new List<torch.Tensor?>();
        for (int i = 0; i < isTensor.Length; i++)
        {
            if (isTensor[i]) kept.Add(gradients[i]);
            else if (!Undefined(gradients[i]))
            {
                throw new InvalidOperationException(
                    $"Function {name} returned a gradient at position {i + 1}, but that argument of its forward is not a tensor.");
            }
        }

        return kept;
    }
}
